import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { createDirectoryBroker } from '../../lib/queues/directory/broker.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { queueContract, type DeadLetter, type QueueHarness } from '../contracts/queue.ts';
import { eventually } from '../helpers/eventually.ts';
import { inTime } from '../helpers/in-time.ts';

const never = new AbortController().signal;
let names = 0;

const openRoot = (t: Test, leaseMs = 60_000) => {
  const root = t.testdir();
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const broker = (runnerId = `runner-${String(++names)}`) => {
    const made = createDirectoryBroker({ root, runnerId, leaseMs, emit: bus.emit });
    t.teardown(() => made.close());
    return made;
  };
  return { root, events, broker };
};

/** As the client's own lock and write, seen from outside. */
const put = (root: string, queue: string, name: string, body: string) => {
  const draft = join(root, `.draft-${name}`);
  writeFileSync(draft, body);
  renameSync(draft, join(root, queue, name));
};

queueContract(t, t => {
  const { root, broker } = openRoot(t);
  let messages = 0;
  const harness: QueueHarness = {
    declare: async () => {
      const name = `local_${String(++names)}`;
      mkdirSync(join(root, name));
      return name;
    },
    declareResponse: async queue => {
      mkdirSync(join(root, `${queue}_response`));
      return `${queue}_response`;
    },
    delete: async queue => {
      rmSync(join(root, queue), { recursive: true });
    },
    publish: async (queue, body) => {
      put(root, queue, `message-${String(++messages).padStart(4, '0')}`, body);
    },
    deadLetters: async queue => {
      const dead = join(root, '.dead', queue);
      if (!existsSync(dead)) return [];
      return readdirSync(dead)
        .filter(name => !name.endsWith('.json'))
        .map(name => {
          const letter = JSON.parse(readFileSync(join(dead, `${name}.json`), 'utf8')) as DeadLetter;
          const { reason, message, history } = letter;
          return { body: readFileSync(join(dead, name), 'utf8'), reason, message, history };
        });
    },
    broker,
  };
  return Promise.resolve(harness);
});

t.test("nothing is read while the client's lock stands, and at once when it is gone", async t => {
  const { root, broker } = openRoot(t);
  mkdirSync(join(root, 'local_q'));
  const queue = broker().open('local_q');
  // The look by time comes every two seconds.
  const tookMs = await inTime(1000, async () => {
    writeFileSync(join(root, 'local_q', 'lock.lock'), '');
    writeFileSync(join(root, 'local_q', 'half'), '{"half');
    t.equal(await queue.receive(never), undefined);
    let woke = false;
    const waiting = queue.wait(never).then(() => {
      woke = true;
    });
    await delay(200);
    t.equal(woke, false);
    writeFileSync(join(root, 'local_q', 'half'), 'whole');
    const removedAt = performance.now();
    rmSync(join(root, 'local_q', 'lock.lock'));
    await waiting;
    const waitedMs = performance.now() - removedAt;
    t.equal((await queue.receive(never))?.body.toString(), 'whole');
    t.notOk(existsSync(join(root, 'local_q', 'lock.lock')), 'its own lock is removed after');
    return waitedMs;
  });
  t.ok(Math.min(...tookMs) < 1000, `woken after ${tookMs.map(ms => ms.toFixed()).join(', ')} ms`);
});

t.test('a stale lock is told once and passed over', async t => {
  const { root, broker, events } = openRoot(t);
  mkdirSync(join(root, 'local_q'));
  const lock = join(root, 'local_q', 'lock.lock');
  writeFileSync(lock, '');
  const old = new Date(Date.now() - 60_000);
  utimesSync(lock, old, old);
  put(root, 'local_q', 'a', 'first');
  put(root, 'local_q', 'b', 'second');
  const queue = broker().open('local_q');
  t.equal((await queue.receive(never))?.body.toString(), 'first');
  t.equal((await queue.receive(never))?.body.toString(), 'second');
  t.equal(events.filter(event => event.event === 'lock-stale').length, 1);
  t.ok(existsSync(lock), 'it is not ours to remove');
});

t.test('the oldest message comes first, whatever its name', async t => {
  const { root, broker } = openRoot(t);
  mkdirSync(join(root, 'local_q'));
  for (const [name, ageMs] of [
    ['a', 1000],
    ['b', 3000],
    ['c', 2000],
  ] as const) {
    put(root, 'local_q', name, name);
    const time = new Date(Date.now() - ageMs);
    utimesSync(join(root, 'local_q', name), time, time);
  }
  const queue = broker().open('local_q');
  const order = [];
  for (let i = 0; i < 3; i++) order.push((await queue.receive(never))?.body.toString());
  t.strictSame(order, ['b', 'c', 'a']);
});

t.test('hidden files and directories are no messages', async t => {
  const { root, broker } = openRoot(t);
  mkdirSync(join(root, 'local_q', 'directory'), { recursive: true });
  writeFileSync(join(root, 'local_q', '.hidden'), 'x');
  t.equal(await broker().open('local_q').receive(never), undefined);
});

t.test('the claims of a runner that died come home, counted when it had begun', async t => {
  const { root, broker } = openRoot(t, 300);
  mkdirSync(join(root, 'local_q'));
  // What a runner leaves that was killed: its claims and a heart that stopped.
  const claims = join(root, '.claims', 'local_q', 'dead-runner');
  mkdirSync(claims, { recursive: true });
  writeFileSync(join(claims, 'begun'), 'begun');
  writeFileSync(join(claims, '.begun.past'), JSON.stringify({ attempts: 1, history: [] }));
  writeFileSync(join(claims, 'only-taken'), 'only-taken');
  const old = new Date(Date.now() - 10_000);
  utimesSync(claims, old, old);
  const queue = broker().open('local_q');
  await eventually(() => {
    assert.equal(readdirSync(join(root, 'local_q')).filter(name => !name.startsWith('.')).length, 2);
  });
  const deliveries = new Map<string, number>();
  for (let i = 0; i < 2; i++) {
    const delivery = await queue.receive(never);
    if (delivery) deliveries.set(delivery.id, delivery.attemptsBefore);
  }
  t.strictSame([...deliveries].sort(), [
    ['begun', 1],
    ['only-taken', 0],
  ]);
  t.notOk(existsSync(claims));
});

t.test('a runner that lives keeps its claims beyond the lease', async t => {
  const { root, broker } = openRoot(t, 2000);
  mkdirSync(join(root, 'local_q'));
  put(root, 'local_q', 'long', 'long');
  const delivery = await broker('first').open('local_q').receive(never);
  const other = broker('second').open('local_q');
  await delay(5000);
  t.equal(await other.receive(never), undefined);
  await delivery?.settle({ type: 'accept' });
  t.strictSame(readdirSync(join(root, 'local_q')), []);
});

t.test('a retry is one message file for the client, and moves to the end', async t => {
  const { root, broker } = openRoot(t);
  mkdirSync(join(root, 'local_q'));
  put(root, 'local_q', 'message', 'body');
  const before = statSync(join(root, 'local_q', 'message')).mtimeMs;
  const delivery = await broker().open('local_q').receive(never);
  await delay(20);
  await delivery?.settle({ type: 'retry', attempt: 1, history: [] });
  t.strictSame(
    readdirSync(join(root, 'local_q')).filter(name => !name.startsWith('.')),
    ['message'],
  );
  t.ok(statSync(join(root, 'local_q', 'message')).mtimeMs > before);
});

t.test('what is given back goes behind the others once it was begun, before that to its place', async t => {
  const root = t.testdir({ local_q: {} });
  put(root, 'local_q', 'first', 'first');
  const settings = { root, runnerId: 'runner', leaseMs: 60_000, emit: () => undefined, now: Date.now };
  const broker = createDirectoryBroker(settings);
  t.teardown(() => broker.close());
  // Opened anew, it has no list in hand.
  const receive = () => broker.open('local_q').receive(never);
  const givenBack = async (isBegun: boolean): Promise<void> => {
    const delivery = await receive();
    t.equal(delivery?.body.toString(), 'first');
    if (isBegun) await delivery?.begin(1, 'key');
    await delivery?.settle({ type: 'release', delayMs: 0 });
  };
  put(root, 'local_q', 'other', 'other');
  for (const [name, seconds] of [
    ['first', 1],
    ['other', 2],
  ] as const)
    utimesSync(join(root, 'local_q', name), seconds, seconds);
  await givenBack(false);
  await givenBack(true);
  t.equal((await receive())?.body.toString(), 'other');
  t.match(await receive(), { body: Buffer.from('first'), attemptsBefore: 0, history: [] });
});

t.test('a retry goes behind what came within the same millisecond', async t => {
  const root = t.testdir({ local_q: { again: 'again' } });
  const atMs = Date.now();
  const settings = { root, runnerId: 'runner', leaseMs: 60_000, emit: () => undefined, now: () => atMs };
  const broker = createDirectoryBroker(settings);
  t.teardown(() => broker.close());
  const queue = broker.open('local_q');
  const delivery = await queue.receive(never);
  put(root, 'local_q', 'other', 'other');
  const seconds = (atMs + 0.5) / 1000;
  utimesSync(join(root, 'local_q', 'other'), seconds, seconds);
  await delivery?.settle({ type: 'retry', attempt: 1, history: [] });
  t.equal((await queue.receive(never))?.body.toString(), 'other');
});

t.test('thousands of files are taken in their order without a look at each every time', async t => {
  const { root, broker } = openRoot(t);
  mkdirSync(join(root, 'local_q'));
  for (let i = 0; i < 3000; i++) writeFileSync(join(root, 'local_q', String(i).padStart(5, '0')), 'x');
  const queue = broker().open('local_q');
  await queue.receive(never);
  const startedAt = performance.now();
  for (let i = 0; i < 20; i++) await queue.receive(never);
  const each = (performance.now() - startedAt) / 20;
  t.comment(`${each.toFixed(1)} ms each`);
  t.equal(readdirSync(join(root, 'local_q')).length, 3000 - 21);
});

t.test('a root that is not there is told once', async t => {
  const { root, events } = openRoot(t);
  const bus = createEventBus();
  bus.events$.subscribe(event => events.push(event));
  const broker = createDirectoryBroker({ root: join(root, 'nowhere'), runnerId: 'r', leaseMs: 1000, emit: bus.emit });
  const subscription = broker.discover().subscribe(() => t.fail('there are no queues'));
  await eventually(() => {
    assert.equal(events.filter(event => event.event === 'discovery-failed').length, 1);
  });
  subscription.unsubscribe();
  await broker.close();
});
