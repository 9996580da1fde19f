/** What a runner that has no room leaves alone, and what it gives back without harm. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import t, { type Test } from 'tap';
import type { Delivery } from '../../lib/model/delivery.ts';
import type { WorkQueue } from '../../lib/queues/queue.ts';
import { createRabbitmqBroker } from '../../lib/queues/rabbitmq/broker.ts';
import { eventually } from '../helpers/eventually.ts';
import { needService } from '../helpers/services.ts';

const never = new AbortController().signal;

const openScene = async (t: Test, count: number, queueType: 'classic' | 'quorum' = 'classic') => {
  const url = needService(t, 'TEST_AMQP_URL');
  if (url === undefined) return undefined;
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const names = Array.from({ length: count }, () => `rmq_quiet_${randomUUID()}`);
  const broker = createRabbitmqBroker({ url, queues: [], emit: () => undefined });
  t.teardown(async () => {
    await broker.close();
    for (const name of names) await channel.deleteQueue(name);
    await connection.close();
  });
  const arguments_ = { 'x-queue-type': queueType, ...(queueType === 'quorum' ? { 'x-delivery-limit': 3 } : {}) };
  for (const name of names) await channel.assertQueue(name, { durable: true, arguments: arguments_ });
  const publish = async (name: string, body: string) => {
    channel.sendToQueue(name, Buffer.from(body));
    await channel.waitForConfirms();
  };
  const consumers = async () => {
    const counts = await Promise.all(names.map(async name => (await channel.checkQueue(name)).consumerCount));
    return counts.reduce((sum, one) => sum + one, 0);
  };
  return { broker, channel, names, publish, consumers };
};

const take = (queue: WorkQueue): Promise<Delivery> =>
  eventually(async () => {
    const delivery = await queue.receive(never);
    assert.ok(delivery);
    return delivery;
  });

t.test('while there is no room nothing is handed over, and queues with work are heard of all the same', async t => {
  const scene = await openScene(t, 40);
  if (!scene) return;
  const { broker, names, publish, consumers } = scene;
  const heard = new Map<string, Delivery | undefined>();
  const stop = new AbortController();
  const waits = names.map(async name => {
    const queue = broker.open(name);
    heard.set(name, await queue.wait(stop.signal));
    return queue;
  });
  for (const wait of waits) wait.catch(() => undefined);
  await eventually(async () => assert.equal(await consumers(), 40));
  const room = Promise.withResolvers<void>();
  broker.quiet?.(room.promise);
  await eventually(async () => assert.equal(await consumers(), 0));
  const [first = '', second = ''] = names;
  await publish(first, 'work');
  await eventually(() => assert.ok(heard.has(first)));
  t.equal(heard.get(first), undefined, 'a word, no message');
  const delivery = await take(broker.open(first));
  t.equal(delivery.body.toString(), 'work');
  await delivery.settle({ type: 'accept' });
  t.equal(await consumers(), 0);
  room.resolve();
  await eventually(async () => assert.equal(await consumers(), 39));
  await publish(second, 'work');
  await eventually(() => assert.equal(heard.get(second)?.body.toString(), 'work'));
  await heard.get(second)?.settle({ type: 'accept' });
  stop.abort(new Error('done'));
  await Promise.allSettled(waits);
});

t.test('a queue that counts what comes back loses nothing, however often it is given back', async t => {
  const scene = await openScene(t, 1, 'quorum');
  if (!scene) return;
  const { broker, channel, names, publish } = scene;
  const [name = ''] = names;
  await publish(name, 'work');
  const queue = broker.open(name);
  for (let times = 0; times < 8; times++) {
    const delivery = await take(queue);
    t.match(delivery, { attemptsBefore: 0, history: [] });
    await delivery.settle({ type: 'release', delayMs: 0 });
  }
  const delivery = await take(queue);
  t.equal(delivery.body.toString(), 'work');
  await delivery.settle({ type: 'accept' });
  await eventually(async () => assert.equal((await channel.checkQueue(name)).messageCount, 0));
});
