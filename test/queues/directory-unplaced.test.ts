import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Delivery } from '../../lib/model/delivery.ts';
import type { HistoryEntry } from '../../lib/model/outcome.ts';
import { createDirectoryBroker } from '../../lib/queues/directory/broker.ts';
import type { WorkQueue } from '../../lib/queues/queue.ts';

const never = new AbortController().signal;
const entry: HistoryEntry = { cause: 'exited', host: 'h', at: '2026-01-01T00:00:00.000Z', message: 'code 1' };

/** A root where no dead letter can be put: what should be its directory is a file. */
const scene = (t: Test) => {
  const root = t.testdir({ local_q: { first: 'bad' }, '.dead': 'in the way' });
  const broker = createDirectoryBroker({ root, runnerId: 'runner', leaseMs: 60_000, emit: () => undefined });
  t.teardown(() => broker.close());
  return { root, queue: broker.open('local_q') };
};
const taken = async (queue: WorkQueue): Promise<Delivery> => {
  const delivery = await queue.receive(never);
  if (!delivery) throw new Error('there is nothing');
  return delivery;
};
const files = (directory: string): string[] => readdirSync(directory).filter(name => name !== 'lock.lock');

t.test('a message whose dead letter has no place goes back as it came, behind the others', async t => {
  const { root, queue } = scene(t);
  const delivery = await taken(queue);
  writeFileSync(join(root, 'local_q', 'second'), 'good');
  const refused = delivery.settle({ type: 'reject', reason: 'malformed', message: 'no JSON', history: [entry] });
  await t.rejects(refused, { name: 'UnplacedLetter', remedy: /\.dead\/local_q a directory .* may write to/ });
  t.strictSame(files(join(root, 'local_q')).sort(), ['first', 'second'], 'and says nothing of an attempt');
  t.equal((await taken(queue)).id, 'second');
  const again = await taken(queue);
  t.match(again, { attemptsBefore: 0, history: [] });
  t.equal(again.body.toString(), 'bad');
  rmSync(join(root, '.dead'));
  await again.settle({ type: 'reject', reason: 'malformed', message: 'no JSON', history: [entry] });
  t.strictSame(files(join(root, '.dead', 'local_q')).sort(), ['first', 'first.json']);
});

t.test('one that was begun goes back counted, with its end', async t => {
  const { queue } = scene(t);
  const delivery = await taken(queue);
  await delivery.begin(3, 'key');
  const refused = delivery.settle({ type: 'reject', reason: 'exited', message: 'code 1', history: [entry] });
  await t.rejects(refused, { name: 'UnplacedLetter' });
  t.match(await taken(queue), { attemptsBefore: 3, history: [entry] });
});

t.test('what can not be written down keeps no message in its claim', async t => {
  const { root, queue } = scene(t);
  const delivery = await taken(queue);
  const [runner = ''] = readdirSync(join(root, '.claims', 'local_q'));
  const [claim = ''] = readdirSync(join(root, '.claims', 'local_q', runner));
  // A directory where the number would be written to.
  mkdirSync(join(root, '.claims', 'local_q', runner, `.${claim}.past`));
  await t.rejects(delivery.settle({ type: 'retry', attempt: 1, history: [entry] }));
  t.equal((await taken(queue)).body.toString(), 'bad');
});
