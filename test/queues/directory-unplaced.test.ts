import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Delivery } from '../../lib/model/delivery.ts';
import type { HistoryEntry } from '../../lib/model/outcome.ts';
import { createDirectoryBroker } from '../../lib/queues/directory/broker.ts';
import { directoryDeadLetters } from '../../lib/queues/directory/dead-letters.ts';
import type { WorkQueue } from '../../lib/queues/queue.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';

const never = new AbortController().signal;
const entry: HistoryEntry = { cause: 'exited', host: 'h', at: '2026-01-01T00:00:00.000Z', message: 'code 1' };

/** Take away the right to read a file, from root too: the process becomes another user until it is let go. */
const mayNotRead = (t: Test, root: string, path: string): (() => void) => {
  chmodSync(path, 0o000);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) {
    for (const one of [root, join(root, 'local_q')]) chmodSync(one, 0o777);
    for (const one of ['.claims', '.claims/local_q']) {
      mkdirSync(join(root, one), { recursive: true });
      chmodSync(join(root, one), 0o777);
    }
    process.seteuid?.(65_534);
  }
  const letGo = () => {
    if (isRoot) process.seteuid?.(0);
    chmodSync(path, 0o644);
  };
  t.teardown(() => {
    if (isRoot) process.seteuid?.(0);
  });
  return letGo;
};

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

t.test('what is too large is handed over unread, and becomes a dead letter whole', async t => {
  const root = t.testdir({ local_q: {} });
  const path = join(root, 'local_q', 'huge');
  const bytes = 3 * 1024 ** 3;
  writeFileSync(path, '');
  truncateSync(path, bytes);
  const broker = createDirectoryBroker({ root, runnerId: 'runner', leaseMs: 60_000, emit: () => undefined });
  t.teardown(() => broker.close());
  const delivery = await taken(broker.open('local_q'));
  t.match(delivery, { id: 'huge', unreadBytes: bytes });
  t.equal(delivery.body.length, 0);
  await delivery.settle({ type: 'reject', reason: 'too-large', message: 'larger than any request', history: [entry] });
  t.equal(statSync(join(root, '.dead', 'local_q', 'huge')).size, bytes);
  const letters: string[] = [];
  const operator = directoryDeadLetters(root);
  await operator.visit('local_q', letter => (letters.push(letter.reason), 'requeue'), never);
  t.strictSame(letters, ['too-large']);
  t.equal(statSync(path).size, bytes);
});

t.test('what this runner may not read stays in its queue, told of, and holds up nothing', async t => {
  const root = t.testdir({ local_q: { secret: 'of another user', other: 'good' } });
  const secret = join(root, 'local_q', 'secret');
  utimesSync(secret, 1, 1);
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const clock = { ms: Date.now() };
  const use = { root, runnerId: 'runner', leaseMs: 60_000, emit: bus.emit, now: () => clock.ms };
  const broker = createDirectoryBroker(use);
  t.teardown(() => broker.close());
  const queue = broker.open('local_q');
  const letGo = mayNotRead(t, root, secret);
  t.equal((await taken(queue)).id, 'other');
  t.match(
    events.filter(({ event }) => event === 'message-unreadable').map(({ queue, fields }) => ({ queue, fields })),
    [{ queue: 'local_q', fields: { path: secret, expected: /may read/, error: /EACCES/, retryMs: 1000 } }],
  );
  t.equal(statSync(secret).mtimeMs, 1000, 'in its place');
  t.equal(await queue.receive(never), undefined, 'it is left alone');
  clock.ms += 1500;
  t.equal(await queue.receive(never), undefined);
  t.match(events.at(-1), { event: 'message-unreadable', fields: { retryMs: 2000 } }, 'for ever longer');
  letGo();
  clock.ms += 2500;
  t.equal((await taken(queue)).id, 'secret');
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
