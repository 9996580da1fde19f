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
  for (const queue of [name, name, lease]) channel.sendToQueue(queue, Buffer.from('x'));
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
