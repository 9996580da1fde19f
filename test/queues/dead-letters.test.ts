import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createDirectoryBroker } from '../../lib/queues/directory/broker.ts';
import { directoryDeadLetters } from '../../lib/queues/directory/dead-letters.ts';
import type { DeadLetter } from '../../lib/queues/dead-letters.ts';

const never = new AbortController().signal;
const queueName = 'local_q';
const history = [1, 2, 3].map(number => ({
  cause: 'exited' as const,
  host: 'h',
  at: `2026-01-01T00:00:0${String(number)}.000Z`,
}));

/** As a client lists them: what travels beside a message is hidden. */
const messagesIn = (directory: string) => readdirSync(directory).filter(name => !name.startsWith('.'));

const openScene = async (t: Test, names: readonly string[] = ['a', 'b', 'c']) => {
  const root = t.testdir({ [queueName]: {} });
  const broker = createDirectoryBroker({ root, runnerId: 'r', leaseMs: 60_000, emit: () => undefined });
  t.teardown(() => broker.close());
  const queue = broker.open(queueName);
  for (const name of names) {
    writeFileSync(join(root, queueName, name), `body of ${name}`);
    const delivery = await queue.receive(never);
    await delivery?.settle({ type: 'reject', reason: 'exited', message: `why ${name}`, history });
  }
  const letters = directoryDeadLetters(root);
  const all = async () => {
    const found: DeadLetter[] = [];
    await letters.visit(queueName, letter => (found.push(letter), 'keep'), never);
    return found;
  };
  return { root, queue, letters, all };
};

t.test('letters are listed with everything that is known of them', async t => {
  const { letters, all, root } = await openScene(t);
  t.strictSame(await letters.queues(never), [queueName]);
  const found = await all();
  t.match(found[0], { queue: queueName, id: 'a', reason: 'exited', message: 'why a', history });
  t.equal(found[0]?.body.toString(), 'body of a');
  t.equal(found.length, 3);
  t.strictSame(await directoryDeadLetters(join(root, 'none')).queues(never), []);
});

t.test('a message that is named like a reason is a letter, a reason without its message is none', async t => {
  const { root, all } = await openScene(t, ['x.json']);
  writeFileSync(join(root, '.dead', queueName, 'lost.json'), '{"reason": "exited"}');
  writeFileSync(join(root, '.dead', queueName, 'moved-here'), 'by hand');
  t.strictSame((await all()).map(letter => [letter.id, letter.reason]).sort(), [
    ['moved-here', 'unknown'],
    ['x.json', 'exited'],
  ]);
});

t.test('a letter goes back as new, or with the count of before its last attempt', async t => {
  const { queue, letters, all, root } = await openScene(t);
  const buriedAt = new Map((await all()).map(({ id, atMs }) => [id, atMs]));
  await letters.visit(
    queueName,
    letter => (letter.id === 'a' ? 'requeue' : letter.id === 'b' ? 'requeue-counted' : 'keep'),
    never,
  );
  t.strictSame(
    (await all()).map(letter => letter.id),
    ['c'],
  );
  t.strictSame(readdirSync(join(root, '.dead', queueName)).sort(), ['c', 'c.json']);
  const first = await queue.receive(never);
  const second = await queue.receive(never);
  t.match(first, { attemptsBefore: 0, history: [], buriedAtMs: buriedAt.get('a') });
  t.equal(first?.body.toString(), 'body of a');
  t.match(second, { attemptsBefore: 2, history });
  t.equal(second?.body.toString(), 'body of b');
});

t.test('a letter that goes back replaces no message of its name', async t => {
  const { letters, root } = await openScene(t, ['a']);
  writeFileSync(join(root, queueName, 'a'), 'another');
  await letters.visit(queueName, () => 'requeue', never);
  const bodies = messagesIn(join(root, queueName)).map(name => readFileSync(join(root, queueName, name), 'utf8'));
  t.strictSame(bodies.sort(), ['another', 'body of a']);
});

t.test('a dropped letter is gone', async t => {
  const { letters, all, root } = await openScene(t);
  await letters.visit(queueName, letter => (letter.id === 'b' ? 'drop' : 'keep'), never);
  t.strictSame(
    (await all()).map(letter => letter.id),
    ['a', 'c'],
  );
  t.notOk(existsSync(join(root, '.dead', queueName, 'b.json')));
});

t.test('a letter whose queue is gone stays, and says so', async t => {
  const { letters, all, root } = await openScene(t, ['a']);
  const { rmSync } = await import('node:fs');
  rmSync(join(root, queueName), { recursive: true });
  await t.rejects(
    letters.visit(queueName, () => 'requeue', never),
    { message: /the queue is gone; the dead letter stays/ },
  );
  t.equal((await all()).length, 1);
  mkdirSync(join(root, queueName));
});

t.test('of two operators one gets a letter', async t => {
  const names = Array.from({ length: 40 }, (_, i) => `m${String(i)}`);
  const { root, letters } = await openScene(t, names);
  const second = directoryDeadLetters(root);
  const results = await Promise.allSettled([
    letters.visit(queueName, () => 'requeue', never),
    second.visit(queueName, () => 'requeue', never),
  ]);
  for (let round = 0; round < 50 && readdirSync(join(root, '.dead', queueName)).length > 0; round++)
    await letters.visit(queueName, () => 'requeue', never).catch(() => undefined);
  t.ok(results.some(one => one.status === 'fulfilled') || results.length === 2);
  t.strictSame(messagesIn(join(root, queueName)).sort(), names.toSorted());
});
