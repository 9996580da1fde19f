import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'amqplib';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { UnplacedLetter } from '../../lib/errors.ts';
import { createRabbitmqBroker } from '../../lib/queues/rabbitmq/broker.ts';
import { deadQueueOf } from '../../lib/queues/rabbitmq/delivery.ts';
import { QueueGone } from '../../lib/queues/queue.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { eventually } from '../helpers/eventually.ts';
import { needService } from '../helpers/services.ts';
import { startTcpProxy } from '../helpers/tcp-proxy.ts';

const never = new AbortController().signal;
let names = 0;

const openScene = async (t: Test) => {
  const url = needService(t, 'TEST_AMQP_URL');
  if (url === undefined) return undefined;
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const { hostname, port } = new URL(url);
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  const through = new URL(url);
  through.port = String(proxy.port);
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const broker = createRabbitmqBroker({ url: through.href, queues: [], emit: bus.emit });
  const name = `rmq_faults_${String(process.pid)}_${String(++names)}`;
  t.teardown(async () => {
    await broker.close();
    await proxy.close();
    await channel.deleteQueue(name);
    await channel.deleteQueue(deadQueueOf(name));
    await connection.close();
  });
  await channel.assertQueue(name, { durable: false });
  const publish = async (body: string) => {
    channel.sendToQueue(name, Buffer.from(body));
    await channel.waitForConfirms();
  };
  const lost = () => events.filter(event => event.event === 'broker-lost');
  return { channel, proxy, broker, name, queue: broker.open(name), publish, events, lost };
};

const elapsed = async (work: Promise<unknown>): Promise<number> => {
  const startedAt = performance.now();
  await work;
  return performance.now() - startedAt;
};

t.test('on a connection that stalls, receive and wait end with their signal, and nothing is lost', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { queue, proxy, publish } = scene;
  t.equal(await queue.receive(never), undefined);
  proxy.stall();
  const receiving = queue.receive(AbortSignal.timeout(50));
  t.ok((await elapsed(t.rejects(receiving, { name: 'TimeoutError' }))) < 10_000);
  const waiting = queue.wait(AbortSignal.timeout(50));
  t.ok((await elapsed(t.rejects(waiting, { name: 'TimeoutError' }))) < 10_000);
  await publish('kept');
  proxy.resume();
  const delivery = await eventually(async () => {
    const found = await queue.receive(never);
    assert.ok(found);
    return found;
  });
  t.equal(delivery.body.toString(), 'kept');
  await delivery.settle({ type: 'accept' });
});

t.test('a call that is given up while there is no connection leaves the next one alone', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { queue, proxy, publish, lost } = scene;
  t.equal(await queue.receive(never), undefined);
  proxy.refuse();
  await eventually(() => {
    assert.ok(lost().length >= 1);
  });
  const controller = new AbortController();
  const given = queue.receive(controller.signal);
  const next = queue.depth?.(never);
  controller.abort(new Error('given up'));
  await t.rejects(given, { message: 'given up' });
  const after = queue.receive(never);
  await publish('later');
  proxy.accept();
  t.type(await next, 'number');
  const delivery = (await after) ?? (await queue.receive(never));
  t.equal(delivery?.body.toString(), 'later');
  await delivery?.settle({ type: 'accept' });
});

t.test('five cuts while a queue is waited for: it carries on, each message once', { timeout: 60_000 }, async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { queue, proxy, publish, events } = scene;
  const seen: string[] = [];
  const until = new AbortController();
  const serving = (async () => {
    while (!until.signal.aborted) {
      const delivery = (await queue.receive(until.signal)) ?? (await queue.wait(until.signal));
      if (!delivery) continue;
      const settled = await delivery.settle({ type: 'accept' }).then(
        () => true,
        () => false,
      );
      if (settled) seen.push(delivery.body.toString());
    }
  })();
  const connections = () => events.filter(event => event.event === 'broker-connected').length;
  for (let cut = 1; cut <= 5; cut++) {
    await publish(String(cut));
    await eventually(() => {
      assert.ok(seen.includes(String(cut)));
    });
    const before = connections();
    // One that stood for less than a second is tried again later.
    await delay(1000);
    proxy.cut();
    await eventually(
      () => {
        assert.ok(connections() > before);
      },
      { timeoutMs: 20_000 },
    );
  }
  await publish('last');
  await eventually(() => {
    assert.ok(seen.includes('last'));
  });
  until.abort(new Error('done'));
  await t.rejects(serving, { message: 'done' });
  t.strictSame(seen, [...Array.from({ length: 5 }, (_, i) => String(i + 1)), 'last']);
});

for (const [words, how] of [
  ['not durable', { durable: false }],
  ['a quorum queue', { durable: true, arguments: { 'x-queue-type': 'quorum' } }],
  ['made by hand without a type', { durable: true }],
] as const) {
  t.test(`a dead letter queue that is there already, ${words}, is used as it is`, async t => {
    const scene = await openScene(t);
    if (!scene) return;
    const { queue, channel, name, publish } = scene;
    await channel.assertQueue(deadQueueOf(name), how);
    await publish('poison');
    const poison = await queue.receive(never);
    await poison?.settle({ type: 'reject', reason: 'malformed', message: 'no', history: [] });
    const letter = await channel.get(deadQueueOf(name), { noAck: true });
    t.match(letter, { content: Buffer.from('poison') });
  });
}

t.test('a dead letter queue of the runner is classic, whatever queues are where nothing is said', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { queue, channel, name, publish } = scene;
  await publish('poison');
  const poison = await queue.receive(never);
  await poison?.settle({ type: 'reject', reason: 'malformed', message: 'no', history: [] });
  // The broker refuses another declaration than the one it was made by.
  const same = await channel.assertQueue(deadQueueOf(name), {
    durable: true,
    arguments: { 'x-queue-type': 'classic' },
  });
  t.equal(same.messageCount, 1);
});

t.test('a dead letter queue that somebody keeps to himself fails that settlement and no other', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { queue, channel, name, publish } = scene;
  await channel.assertQueue(deadQueueOf(name), { durable: false, exclusive: true });
  await publish('poison');
  const poison = await queue.receive(never);
  await t.rejects(
    poison?.settle({ type: 'reject', reason: 'malformed', message: 'no', history: [] }) ?? Promise.resolve(),
    UnplacedLetter,
  );
  const back = await queue.receive(never);
  t.equal(back?.body.toString(), 'poison', 'it is where it was');
  await back?.settle({ type: 'accept' });
  await publish('fine');
  const fine = await queue.receive(never);
  t.equal(fine?.body.toString(), 'fine');
  await fine?.settle({ type: 'retry', attempt: 1, history: [] });
  const again = await eventually(async () => {
    const found = await queue.receive(never);
    assert.ok(found);
    return found;
  });
  t.equal(again.attemptsBefore, 1);
  await again.settle({ type: 'accept' });
});

t.test('a queue that is deleted while its message is held says so', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { queue, channel, name, publish } = scene;
  await publish('held');
  const held = await queue.receive(never);
  await channel.deleteQueue(name);
  await t.rejects(queue.receive(never), QueueGone);
  t.match(held?.lost.reason, { code: 'queue-deleted' });
});

t.test('closing takes no longer than a goodbye where the broker has stopped answering', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  t.equal(await scene.queue.receive(never), undefined);
  scene.proxy.stall();
  const receiving = t.rejects(scene.queue.receive(never));
  t.ok((await elapsed(scene.broker.close())) < 10_000);
  await receiving;
  scene.proxy.resume();
});

t.test('a broker that hangs up on everybody is tried again ever less often', async t => {
  const server = createServer(socket => {
    socket.on('error', () => undefined);
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const bus = createEventBus();
  const waits: number[] = [];
  bus.events$.subscribe(event => {
    if (event.event === 'broker-lost') waits.push(Number(event.fields['retryMs']));
  });
  const { port } = server.address() as AddressInfo;
  const broker = createRabbitmqBroker({ url: `amqp://127.0.0.1:${String(port)}`, queues: [], emit: bus.emit });
  const next = await eventually(
    () => {
      const wait = waits.at(-1) ?? 0;
      assert.ok(wait >= 3000);
      return wait;
    },
    { timeoutMs: 30_000 },
  );
  t.ok(
    waits.every((wait, index) => index === 0 || wait >= 50 * 2 ** index),
    waits.join(' '),
  );
  t.ok((await elapsed(broker.close())) < next / 2, 'closing does not wait for the next try');
});
