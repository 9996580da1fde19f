import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'amqplib';
import t, { type Test } from 'tap';
import type { Delivery } from '../../lib/model/delivery.ts';
import type { WorkQueue } from '../../lib/queues/queue.ts';
import { createRabbitmqBroker } from '../../lib/queues/rabbitmq/broker.ts';
import { deadQueueOf } from '../../lib/queues/rabbitmq/dead-queue.ts';
import { runLockOf } from '../../lib/queues/rabbitmq/lease/run-locks.ts';
import { leaseExchange, leaseQueueOf, runnerOf, unreturnedQueue } from '../../lib/queues/rabbitmq/lease/topology.ts';
import { ask } from '../../lib/queues/rabbitmq/management.ts';
import { headerNames } from '../../lib/queues/rabbitmq/message.ts';
import { commitTransaction, selectTransactions } from '../../lib/queues/rabbitmq/transaction.ts';
import type { HistoryEntry } from '../../lib/model/outcome.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { eventually } from '../helpers/eventually.ts';
import { needService } from '../helpers/services.ts';
import { withUser } from '../helpers/rabbitmq-user.ts';
import { startTcpProxy } from '../helpers/tcp-proxy.ts';

const never = new AbortController().signal;
const leaseMs = 2000;
let names = 0;

const openScene = async (t: Test, durable = true) => {
  const url = needService(t, 'TEST_AMQP_URL');
  const managementUrl = url && needService(t, 'TEST_AMQP_MGT_URL');
  if (!url || !managementUrl) return undefined;
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const { hostname, port } = new URL(url);
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  const through = new URL(url);
  through.port = String(proxy.port);
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const brokers: ReturnType<typeof createRabbitmqBroker>[] = [];
  const broker = (at = url, ms = leaseMs) => {
    const made = createRabbitmqBroker({ url: at, queues: [], leaseMs: ms, emit: bus.emit });
    brokers.push(made);
    return made;
  };
  const name = `rmq_lease_${String(process.pid)}_${String(++names)}`;
  t.teardown(async () => {
    for (const made of brokers) await made.close();
    await proxy.close();
    await channel.deleteQueue(name);
    await connection.close();
  });
  await channel.assertQueue(name, { durable });
  const publish = async (body: string, options: Parameters<typeof channel.sendToQueue>[2] = {}) => {
    channel.sendToQueue(name, Buffer.from(body), options);
    await channel.waitForConfirms();
  };
  return { url, managementUrl, through: through.href, proxy, connection, channel, name, publish, broker, events };
};

const take = (queue: WorkQueue, timeoutMs = 10_000): Promise<Delivery> =>
  eventually(
    async () => {
      const delivery = await queue.receive(never);
      assert.ok(delivery);
      return delivery;
    },
    { timeoutMs },
  );

t.test('what is published and acknowledged in a transaction counts when it is committed, and not before', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { connection, channel, name, publish } = scene;
  await publish('original');
  const transactional = await connection.createChannel();
  await selectTransactions(transactional);
  const message = await transactional.get(name);
  assert.ok(message);
  transactional.sendToQueue(name, Buffer.from('copy'));
  transactional.ack(message);
  await transactional.checkQueue(name);
  t.match(await channel.checkQueue(name), { messageCount: 0 });
  await commitTransaction(transactional);
  t.match(await channel.checkQueue(name), { messageCount: 1 });
  const copy = await transactional.get(name);
  assert.ok(copy);
  transactional.ack(copy);
  await transactional.close();
  const again = await eventually(async () => {
    const found = await channel.get(name, { noAck: true });
    assert.ok(found);
    return found;
  });
  t.equal(again.content.toString(), 'copy', 'an acknowledgement that was not committed did not count');
});

t.test('a message that was begun is renewed for many leases, and settled from its copy', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { broker, name, publish, channel } = scene;
  const queue = broker().open(name);
  await publish('long');
  const delivery = await take(queue);
  await delivery.begin(1, 'key');
  const other = broker().open(name);
  await delay(4 * leaseMs);
  t.equal(delivery.lost.aborted, false);
  t.equal(await other.receive(never), undefined);
  await delivery.settle({ type: 'accept' });
  await delay(leaseMs);
  t.match(await channel.checkQueue(name), { messageCount: 0 });
});

t.test('cuts of the connection in every phase lose nothing and give nothing away', { timeout: 90_000 }, async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { broker, name, publish, channel, proxy, through } = scene;
  // Longer than a machine stalls; a copy that nobody knows goes home at once all the same.
  const queue = broker(through, 10_000).open(name);
  const other = broker().open(name);
  for (const settlement of ['accept', 'retry', 'release'] as const) {
    await publish(settlement);
    const delivery = await take(queue);
    await delivery.begin(1, settlement);
    proxy.cut();
    // While there is no connection.
    const settled = delivery.settle(
      settlement === 'accept'
        ? { type: 'accept' }
        : settlement === 'retry'
          ? { type: 'retry', attempt: 1, history: [] }
          : { type: 'release', delayMs: 0 },
    );
    await settled;
    t.equal(delivery.lost.aborted, false, settlement);
    if (settlement !== 'accept') {
      const again = await take(other);
      t.equal(again.body.toString(), settlement);
      t.equal(again.attemptsBefore, settlement === 'retry' ? 1 : 0);
      await again.settle({ type: 'accept' });
    }
    t.match(await channel.checkQueue(name), { messageCount: 0 });
    await delay(1100);
  }
});

t.test('a message comes home from a dead runner whole and counted', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { broker, name, publish, channel, proxy, through } = scene;
  const deaths = [{ queue: 'theirs', reason: 'rejected', count: 1 }];
  await publish('whole', {
    contentType: 'application/json',
    messageId: 'm1',
    priority: 3,
    correlationId: 'c1',
    headers: { own: 'kept', 'x-death': deaths },
  });
  const delivery = await take(broker(through).open(name));
  await delivery.begin(1, 'key');
  proxy.refuse();
  const home = await eventually(async () => {
    const found = await channel.get(name, { noAck: true });
    assert.ok(found);
    return found;
  });
  t.equal(home.content.toString(), 'whole');
  t.match(home.properties, { contentType: 'application/json', messageId: 'm1', priority: 3, correlationId: 'c1' });
  // As the next runner reads it, begins it and gives it back.
  channel.sendToQueue(name, home.content, { headers: home.properties.headers });
  await channel.waitForConfirms();
  const next = await take(broker().open(name));
  t.equal(next.attemptsBefore, 1);
  t.strictSame(next.history, [], 'its way through the leases is no history');
  await next.begin(2, 'key');
  await next.settle({ type: 'release', delayMs: 0 });
  const released = await channel.get(name, { noAck: true });
  t.strictSame(released && released.properties.headers, { own: 'kept', 'x-death': deaths, 'studioml-attempt': 1 });
});

t.test('one experiment is begun once at a time, by whomever', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { broker, name, publish } = scene;
  const one = broker().open(name);
  const two = broker().open(name);
  for (let i = 0; i < 3; i++) await publish('twin');
  const first = await take(one);
  await first.begin(1, 'key');
  for (const queue of [one, two]) {
    const twin = await take(queue);
    await t.rejects(twin.begin(1, 'key'), { code: 'duplicate' });
    await twin.settle({ type: 'release', delayMs: 0 });
  }
  await first.settle({ type: 'accept' });
  // The broker hears of the message's end and of the lock's on two channels, in whichever order.
  const last = await eventually(async () => {
    const again = await take(two);
    await again.begin(1, 'key').catch(async (error: unknown) => {
      await again.settle({ type: 'release', delayMs: 0 });
      throw error;
    });
    return again;
  });
  await last.settle({ type: 'accept' });
});

t.test(
  'a lock that nobody asks for yet is taken after a while: a rival waits for that, a short run needs none',
  async t => {
    const scene = await openScene(t);
    if (!scene) return;
    const { broker, name, publish, connection, proxy, through } = scene;
    const one = broker(through).open(name);
    const two = broker().open(name);
    for (let i = 0; i < 3; i++) await publish('twin');
    const alone = Promise.resolve('none' as const);

    const channel = await connection.createChannel();
    const lock = runLockOf(name, 'short');
    // Whoever asked for it would hear that it is somebody else's.
    await channel.assertQueue(lock, { exclusive: true, durable: false });
    const short = await take(one);
    await short.begin(1, 'short', alone);
    await short.settle({ type: 'accept' });
    await channel.deleteQueue(lock);

    const long = await take(one);
    await long.begin(1, 'long', alone);
    const twin = await take(two);
    await t.rejects(twin.begin(1, 'long', Promise.resolve('begun')), { code: 'duplicate' });
    await twin.settle({ type: 'accept' });
    await long.settle({ type: 'accept' });

    for (const again of ['once', 'again']) await publish(again);
    const cut = await take(one);
    await cut.begin(1, 'cut', alone);
    proxy.cut();
    const late = await take(two);
    await t.rejects(
      late.begin(1, 'cut', Promise.resolve('begun')),
      { code: 'duplicate' },
      'its next connection has it',
    );
    await late.settle({ type: 'accept' });
    t.equal(cut.lost.aborted, false);
    await cut.settle({ type: 'accept' });
  },
);

t.test('an attempt that finds its lock taken when it comes for it is lost', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { broker, name, publish, connection } = scene;
  await publish('late');
  const delivery = await take(broker().open(name));
  const channel = await connection.createChannel();
  await channel.assertQueue(runLockOf(name, 'key'), { exclusive: true, durable: false });
  await delivery.begin(1, 'key', Promise.resolve('none'));
  await eventually(() => assert.ok(delivery.lost.aborted));
  t.match(delivery.lost.reason, { code: 'lease-lost', message: /another runner runs it/ });
});

t.test('a message whose queue is gone when its lease is over becomes a dead letter', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { broker, name, publish, channel, proxy, through } = scene;
  await publish('homeless');
  const delivery = await take(broker(through).open(name));
  await delivery.begin(1, 'key');
  await channel.deleteQueue(name);
  proxy.refuse();
  const letter = await eventually(async () => {
    const found = await channel.get(unreturnedQueue, { noAck: true });
    assert.ok(found);
    assert.equal(found.fields.routingKey, name);
    return found;
  });
  t.equal(letter.content.toString(), 'homeless');
  t.match(letter.properties.headers, { 'studioml-queue': name, 'studioml-reason': 'queue-deleted' });
});

t.test('a message whose copy no queue takes is published anew and comes home uncounted', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { broker, name, publish, channel } = scene;
  const management = new URL(scene.managementUrl);
  ({ username: management.username, password: management.password } = new URL(scene.url));
  const queue = broker().open(name);
  await publish('work');
  const delivery = await take(queue);
  const runners = await eventually(async () => {
    const all = (await ask(management.href, '/api/queues/%2F', never)) as { readonly name: string }[];
    const own = all.flatMap(one => runnerOf(one.name) ?? []).filter(one => one.includes(`-${String(process.pid)}-`));
    assert.ok(own.length > 0);
    return new Set(own);
  });
  for (const runner of runners) {
    const mine = { 'x-match': 'all', [headerNames.lease]: runner };
    await channel.unbindQueue(leaseQueueOf(runner, 'held'), leaseExchange, '', mine);
  }
  await t.rejects(delivery.begin(1, 'key'), { code: 'broker-fault' });
  const again = await take(queue);
  t.equal(again.body.toString(), 'work');
  t.equal(again.attemptsBefore, 0);
  await again.begin(1, 'key');
  await again.settle({ type: 'accept' });
});

t.test('a leased message whose dead letter has no place goes home behind the others, counted', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { broker, name, publish, channel } = scene;
  const dead = deadQueueOf(name);
  const full = { 'x-max-length': 0, 'x-overflow': 'reject-publish' };
  await channel.assertQueue(dead, { durable: true, arguments: full });
  t.teardown(() => scene.channel.deleteQueue(dead));
  const queue = broker().open(name);
  await publish('bad');
  const delivery = await take(queue);
  await delivery.begin(3, 'key');
  await publish('good');
  const history = [{ cause: 'exited', host: 'h', at: '2026-01-01T00:00:00.000Z' }] as const;
  const refused = delivery.settle({ type: 'reject', reason: 'exited', message: 'code 1', history });
  await t.rejects(refused, { name: 'UnplacedLetter', remedy: new RegExp(dead) });
  const good = await take(queue);
  t.equal(good.body.toString(), 'good');
  await good.settle({ type: 'accept' });
  const again = await take(queue);
  t.equal(again.body.toString(), 'bad');
  t.match(again, { attemptsBefore: 3, history });
  await again.begin(4, 'key');
  await channel.deleteQueue(dead);
  await again.settle({ type: 'reject', reason: 'exited', message: 'code 1', history });
  t.match(await channel.checkQueue(dead), { messageCount: 1 });
});

t.test('a user who may not declare queues holds messages on their channel, and is told once', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { broker, name, publish, url, managementUrl, events, channel } = scene;
  await withUser(url, managementUrl, async plainUrl => {
    const queue = broker(plainUrl).open(name);
    for (const type of ['reject', 'release', 'retry', 'accept'] as const) {
      if (type === 'reject') await publish('plain');
      const delivery = await take(queue);
      await delivery.begin(1, 'key');
      t.equal(delivery.body.toString(), 'plain');
      if (type === 'reject') {
        const refused = delivery.settle({ type, reason: 'malformed', message: '', history: [] });
        await t.rejects(refused, { name: 'UnplacedLetter', remedy: /declare and write to/, cause: /ACCESS_REFUSED/ });
      } else
        await delivery.settle(
          type === 'release'
            ? { type, delayMs: 0 }
            : type === 'retry'
              ? { type, attempt: 1, history: [] }
              : { type: 'accept' },
        );
    }
    t.match(await channel.checkQueue(name), { messageCount: 0 });
    const told = events.filter(({ event }) => event === 'lease-unavailable');
    t.equal(told.length, 1);
    t.match(told[0]?.fields, { why: /403|ACCESS_REFUSED/ });

    // Who holds a message dies with its connection, and the broker gives it out once more.
    const redelivered = async (begunBefore: boolean) => {
      const dying = broker(plainUrl);
      const first = await take(dying.open(name));
      if (begunBefore) await first.begin(1, 'key', Promise.resolve('none'));
      await dying.close();
      return take(broker(plainUrl).open(name));
    };
    const died: HistoryEntry = { cause: 'runner-died', host: 'h', at: '2026-01-01T00:00:00.000Z' };
    await publish('kills');
    const again = await redelivered(true);
    t.match(again, { attemptsBefore: 0 });
    await t.rejects(again.begin(1, 'key', Promise.resolve('begun')), { code: 'runner-died' });
    await again.settle({ type: 'retry', attempt: 1, history: [died] });
    const second = await take(queue);
    t.match(second, { attemptsBefore: 1, history: [died] });
    await second.begin(2, 'key', Promise.resolve('begun'));
    await second.settle({ type: 'release', delayMs: 0 });
    const third = await take(queue);
    t.match(third, { attemptsBefore: 1 }, 'a clean return');
    await third.begin(2, 'key', Promise.resolve('begun'));
    await third.settle({ type: 'accept' });
    await publish('given back');
    const unbegun = await redelivered(false);
    await unbegun.begin(1, 'key', Promise.resolve('none'));
    await unbegun.settle({ type: 'accept' });
    t.match(await channel.checkQueue(name), { messageCount: 0 });
  });
});
