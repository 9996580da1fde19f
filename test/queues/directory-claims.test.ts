import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createDirectoryBroker } from '../../lib/queues/directory/broker.ts';
import { QueueGone } from '../../lib/queues/queue.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { eventually } from '../helpers/eventually.ts';

const never = new AbortController().signal;
const queueName = 'local_q';

const openScene = (t: Test, leaseMs = 60_000) => {
  const root = t.testdir({ [queueName]: {} });
  const directory = join(root, queueName);
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const broker = (runnerId = 'runner') => {
    const made = createDirectoryBroker({ root, runnerId, leaseMs, emit: bus.emit });
    t.teardown(() => made.close());
    return made;
  };
  const put = (name: string, body: string) => {
    writeFileSync(join(root, `.draft-${name}`), body);
    renameSync(join(root, `.draft-${name}`), join(directory, name));
  };
  const messages = () => readdirSync(directory).filter(name => !name.startsWith('.') && name !== 'lock.lock');
  const claimDirectories = () =>
    existsSync(join(root, '.claims', queueName)) ? readdirSync(join(root, '.claims', queueName)) : [];
  return { root, directory, events, broker, put, messages, claimDirectories };
};

/** As another runner that found this one's heart stopped. */
const takeHome = ({ root, directory }: { root: string; directory: string }) => {
  const claims = join(root, '.claims', queueName);
  for (const runner of readdirSync(claims)) {
    for (const claim of readdirSync(join(claims, runner))) {
      renameSync(join(claims, runner, claim), join(directory, claim.replace(/^\d+~/, '')));
    }
  }
};

t.test('a name that is used again while its first message is in work replaces nothing', async t => {
  const scene = openScene(t);
  const queue = scene.broker().open(queueName);
  scene.put('request.json', 'first');
  const first = await queue.receive(never);
  scene.put('request.json', 'second');
  const second = await queue.receive(never);
  t.strictSame([first?.body.toString(), second?.body.toString()], ['first', 'second']);
  scene.put('request.json', 'third');
  await first?.settle({ type: 'release', delayMs: 0 });
  await second?.settle({ type: 'retry', attempt: 1, history: [] });
  const bodies = scene.messages().map(name => readFileSync(join(scene.directory, name), 'utf8'));
  t.strictSame(bodies.sort(), ['first', 'second', 'third']);
  const attempts = new Map<string, number>();
  for (let i = 0; i < 3; i++) {
    const delivery = await queue.receive(never);
    if (delivery) attempts.set(delivery.body.toString(), delivery.attemptsBefore);
  }
  t.strictSame(Object.fromEntries(attempts), { first: 0, second: 1, third: 0 });
});

t.test('dead letters of one name lie beside each other', async t => {
  const scene = openScene(t);
  const queue = scene.broker().open(queueName);
  for (const [name, body] of [
    ['a', 'one'],
    ['a', 'two'],
    ['a.json', 'three'],
  ] as const) {
    scene.put(name, body);
    const delivery = await queue.receive(never);
    await delivery?.settle({ type: 'reject', reason: 'malformed', message: body, history: [] });
  }
  const dead = join(scene.root, '.dead', queueName);
  const texts = readdirSync(dead).map(name => readFileSync(join(dead, name), 'utf8'));
  for (const body of ['one', 'two', 'three']) {
    t.equal(texts.filter(text => text === body).length, 1, `the body of ${body}`);
    t.equal(texts.filter(text => text.includes(`"message": "${body}"`)).length, 1, `the reason of ${body}`);
  }
});

t.test('a claim that went home aborts the delivery within a beat', async t => {
  const scene = openScene(t, 450);
  scene.put('m', 'body');
  const delivery = await scene.broker().open(queueName).receive(never);
  t.equal(delivery?.lost.aborted, false);
  takeHome(scene);
  await eventually(() => {
    assert.ok(delivery?.lost.aborted);
  });
  t.match(delivery?.lost.reason, { code: 'lease-lost' });
});

for (const settlement of [
  { type: 'accept' },
  { type: 'release', delayMs: 0 },
  { type: 'retry', attempt: 1, history: [] },
  { type: 'reject', reason: 'malformed', message: 'no', history: [] },
] as const) {
  t.test(`${settlement.type} of a claim that went home is refused and leaves the message alone`, async t => {
    const scene = openScene(t);
    scene.put('m', 'body');
    const queue = scene.broker().open(queueName);
    const delivery = await queue.receive(never);
    takeHome(scene);
    await t.rejects(delivery?.settle(settlement) ?? Promise.resolve(), { code: 'lease-lost' });
    t.strictSame(scene.messages(), ['m']);
    t.notOk(existsSync(join(scene.root, '.dead', queueName, 'm.json')), 'no letter without its message');
    // The same runner takes it again: the old delivery can't reach the new one's claim.
    const again = await queue.receive(never);
    t.match(again, { attemptsBefore: 0 });
    await again?.settle({ type: 'accept' });
    t.strictSame(scene.messages(), []);
  });
}

t.test('a beginning that finds its claim gone says so', async t => {
  const scene = openScene(t);
  scene.put('m', 'body');
  const delivery = await scene.broker().open(queueName).receive(never);
  takeHome(scene);
  await t.rejects(delivery?.begin(1, 'key') ?? Promise.resolve(), { code: 'lease-lost' });
  t.ok(delivery?.lost.aborted);
});

t.test(
  'a runner that was killed gives its message to the next of the same name, counted',
  { timeout: 30_000 },
  async t => {
    const scene = openScene(t, 5000);
    scene.put('m', 'body');
    const child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { createDirectoryBroker } from ${JSON.stringify(new URL('../../lib/queues/directory/broker.ts', import.meta.url).href)};
       const broker = createDirectoryBroker({ root: ${JSON.stringify(scene.root)}, runnerId: 'same', leaseMs: 5000, emit: () => {} });
       const delivery = await broker.open('${queueName}').receive(new AbortController().signal);
       await delivery.begin(1, 'key');
       console.log('begun');
       setInterval(() => {}, 1000);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    t.teardown(() => child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    const queue = scene.broker('same').open(queueName);
    t.equal(await queue.receive(never), undefined, 'it lives');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const delivery = await eventually(
      async () => {
        const found = await queue.receive(never);
        assert.ok(found);
        return found;
      },
      { timeoutMs: 20_000 },
    );
    t.equal(delivery.body.toString(), 'body');
    t.equal(delivery.attemptsBefore, 1);
    await eventually(() => {
      assert.equal(scene.claimDirectories().length, 1, "the dead runner's directory is gone");
    });
  },
);

t.test("a lock that a killed runner left is removed, a client's is not", async t => {
  const scene = openScene(t);
  const lock = join(scene.directory, 'lock.lock');
  writeFileSync(lock, 'studioml-runner');
  const old = new Date(Date.now() - 60_000);
  utimesSync(lock, old, old);
  scene.put('m', 'body');
  const delivery = await scene.broker().open(queueName).receive(never);
  t.equal(delivery?.body.toString(), 'body');
  t.notOk(existsSync(lock));
  t.equal(scene.events.filter(event => event.event === 'lock-stale').length, 1);
});

t.test('links are no messages, wherever they lead', async t => {
  const scene = openScene(t);
  writeFileSync(join(scene.root, '.secret'), 'not for this queue');
  symlinkSync(join(scene.root, '.secret'), join(scene.directory, 'link'));
  symlinkSync('nowhere', join(scene.directory, 'dangling'));
  t.equal(await scene.broker().open(queueName).receive(never), undefined);
});

t.test('a name that is too long to be kept beside others is no message and holds nobody up', async t => {
  const scene = openScene(t);
  scene.put('x'.repeat(240), 'long');
  scene.put('m', 'body');
  t.equal((await scene.broker().open(queueName).receive(never))?.body.toString(), 'body');
});

t.test('a queue that is removed right before a message is taken is gone', async t => {
  const scene = openScene(t);
  scene.put('m', 'body');
  scene.put('n', 'body');
  const queue = scene.broker().open(queueName);
  await (await queue.receive(never))?.settle({ type: 'accept' });
  renameSync(scene.directory, join(scene.root, '.removed'));
  await t.rejects(queue.receive(never), QueueGone);
});

t.test(
  'two processes share a queue, each message once, while others come and are given back',
  { timeout: 60_000 },
  async t => {
    const scene = openScene(t, 5000);
    const count = 200;
    const worker = `import { createDirectoryBroker } from ${JSON.stringify(new URL('../../lib/queues/directory/broker.ts', import.meta.url).href)};
    const broker = createDirectoryBroker({ root: ${JSON.stringify(scene.root)}, runnerId: 'same', leaseMs: 5000, emit: () => {} });
    const queue = broker.open('${queueName}');
    let turn = 0;
    const until = AbortSignal.timeout(20_000);
    for (;;) {
      const delivery = await queue.receive(until);
      if (!delivery) { await queue.wait(until); continue; }
      if (delivery.body.toString() === 'end') { await delivery.settle({ type: 'release', delayMs: 0 }); break; }
      if (++turn % 5 === 0) { await delivery.settle({ type: 'release', delayMs: 0 }); continue; }
      console.log('ran ' + delivery.body.toString());
      await delivery.settle({ type: 'accept' });
    }
    await broker.close();`;
    for (let i = 0; i < count; i++) {
      scene.put(`m${String(i)}`, String(i));
    }
    const run = async () => {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', worker], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      t.teardown(() => child.kill('SIGKILL'));
      let out = '';
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      const [code] = (await once(child, 'close')) as [number];
      return { code, ran: out.split('\n').filter(Boolean) };
    };
    const running = Promise.all([run(), run()]);
    await eventually(
      () => {
        assert.deepEqual(scene.messages(), []);
        for (const runner of scene.claimDirectories()) {
          assert.deepEqual(readdirSync(join(scene.root, '.claims', queueName, runner)), []);
        }
      },
      { timeoutMs: 20_000 },
    );
    scene.put('z', 'end');
    const ends = await running;
    t.strictSame(
      ends.map(end => end.code),
      [0, 0],
    );
    const ran = ends.flatMap(end => end.ran);
    t.equal(ran.length, count);
    t.equal(new Set(ran).size, count);
    t.comment(`${ends.map(end => String(end.ran.length)).join(' and ')} messages`);
  },
);
