import assert from 'node:assert/strict';
import { connect } from 'amqplib';
import t from 'tap';
import { createRabbitmqBroker } from '../../lib/queues/rabbitmq/broker.ts';
import { eventually } from '../helpers/eventually.ts';
import { needService } from '../helpers/services.ts';

const never = new AbortController().signal;

t.test('a report goes to the response queue that a client made, as text, and to none that is not there', async t => {
  const url = needService(t, 'TEST_AMQP_URL');
  if (url === undefined) return;
  const name = `rmq_reports_${String(process.pid)}`;
  const response = `${name}_response`;
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  const broker = createRabbitmqBroker({ url, queues: [], emit: () => undefined });
  t.teardown(async () => {
    await broker.close();
    await channel.deleteQueue(response);
    await connection.close();
  });
  const reporter = broker.reporter?.(name);
  assert.ok(reporter);
  await channel.assertExchange('StudioML.topic', 'topic', { durable: true, autoDelete: true });
  t.equal(await reporter.publish('unheard', never), false);
  t.equal(await reporter.publish('unheard', never), false, 'and made none');

  await channel.assertQueue(response, { durable: true });
  await channel.bindQueue(response, 'StudioML.topic', `StudioML.${response}`);
  t.equal(await reporter.publish('one', never), true);
  t.equal(await reporter.publish('two', never), true);
  for (const text of ['one', 'two']) {
    const message = await channel.get(response, { noAck: true });
    assert.ok(message);
    t.match(message, { fields: { routingKey: `StudioML.${response}` }, properties: { contentType: 'text/plain' } });
    t.equal(message.content.toString(), text);
  }

  await channel.deleteQueue(response);
  await eventually(async () => {
    assert.equal(await reporter.publish('late', never), false);
  });
  await t.rejects(reporter.publish('given up', AbortSignal.abort(new Error('given up'))), { message: 'given up' });
});
