import assert from 'node:assert';
import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import t from 'tap';
import { createRabbitmqBroker } from '../../lib/queues/rabbitmq/broker.ts';
import { eventually } from '../helpers/eventually.ts';
import { needService } from '../helpers/services.ts';

t.test('messages that wait are counted by queue, those in lease queues in all', async t => {
  const url = needService(t, 'TEST_AMQP_URL');
  const managementUrl = needService(t, 'TEST_AMQP_MGT_URL');
  if (url === undefined || managementUrl === undefined) return;
  const { username, password } = new URL(url);
  const management = new URL(managementUrl);
  Object.assign(management, { username, password });
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  const name = `rmq_count_${randomUUID()}`;
  const lease = `studioml.lease.${name}.held`;
  for (const queue of [name, lease]) await channel.assertQueue(queue, { durable: true });
  const broker = createRabbitmqBroker({ url, managementUrl: management.href, queues: [], emit: () => undefined });
  t.teardown(async () => {
    await broker.close();
    for (const queue of [name, lease]) await channel.deleteQueue(queue);
    await connection.close();
  });
  for (const queue of [name, name]) channel.sendToQueue(queue, Buffer.from('x'));
  // More than others on this broker hold just then.
  for (let i = 0; i < 500; i++) channel.sendToQueue(lease, Buffer.from('x'));
  await channel.waitForConfirms();
  await eventually(
    async () => {
      const counted = await broker.count?.([name, 'rmq_none'], AbortSignal.timeout(10_000));
      assert.deepEqual([...(counted?.waiting ?? [])], [[name, 2]]);
      assert.ok((counted?.leased ?? 0) >= 1);
    },
    { timeoutMs: 60_000, everyMs: 500 },
  );
});

t.test('work that three runners hold is counted at its queue, whoever asks', async t => {
  const url = needService(t, 'TEST_AMQP_URL');
  const managementUrl = url && needService(t, 'TEST_AMQP_MGT_URL');
  if (!url || !managementUrl) return;
  const { username, password } = new URL(url);
  const management = new URL(managementUrl);
  Object.assign(management, { username, password });
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  const [name, other] = [`rmq_count_${randomUUID()}`, `rmq_count_${randomUUID()}`];
  for (const queue of [name, other]) await channel.assertQueue(queue, { durable: true });
  const settings = { url, managementUrl: management.href, queues: [], emit: () => undefined };
  const brokers = Array.from({ length: 4 }, () => createRabbitmqBroker(settings));
  t.teardown(async () => {
    for (const broker of brokers) await broker.close();
    for (const queue of [name, other]) await channel.deleteQueue(queue);
    await connection.close();
  });
  for (const queue of [name, name, name, other]) channel.sendToQueue(queue, Buffer.from('x'));
  await channel.waitForConfirms();
  const begin = async (index: number, queue: string) => {
    const delivery = await brokers[index]?.open(queue).receive(AbortSignal.timeout(30_000));
    await delivery?.begin(1, `key ${String(index)}`);
    return delivery;
  };
  const held = await Promise.all([0, 1, 2].map(index => begin(index, name)));
  const elsewhere = await begin(0, other);
  const told = async () => {
    const counted = await brokers[3]?.count?.([name], AbortSignal.timeout(10_000));
    return [counted?.waiting.get(name), counted?.leasedBy?.get(name)];
  };
  await eventually(async () => assert.deepEqual(await told(), [0, 3]), { timeoutMs: 60_000, everyMs: 500 });
  await held[0]?.settle({ type: 'accept' });
  await eventually(async () => assert.deepEqual(await told(), [0, 2]), { timeoutMs: 60_000, everyMs: 500 });
  for (const delivery of [held[1], held[2], elsewhere]) await delivery?.settle({ type: 'accept' });
});
