import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'amqplib';
import t from 'tap';
import { createRabbitmqBroker } from '../../lib/queues/rabbitmq/broker.ts';
import { createEventBus } from '../../lib/telemetry/events.ts';
import { eventually } from '../helpers/eventually.ts';
import { carriesOn, heard, runningOn } from '../helpers/outages.ts';
import { withUser } from '../helpers/rabbitmq-user.ts';
import { startRabbitmq } from '../helpers/private-rabbitmq.ts';

/** The broker gives up on a delivery that is held for this long: shorter than the experiments here. */
const consumerTimeoutMs = 5000;

t.test('an experiment runs on through what its broker goes through', { timeout: 230_000 }, async t => {
  const rabbitmq = await startRabbitmq(t, consumerTimeoutMs);
  if (!rabbitmq) return;

  await t.test('it runs for longer than the broker waits for an acknowledgement', async t => {
    const scenery = await runningOn(t, rabbitmq);
    await delay(2.5 * consumerTimeoutMs);
    t.strictSame(
      scenery.first.events.filter(({ event }) => event === 'broker-lost'),
      [],
      'the broker never lost its patience',
    );
    await carriesOn(t, scenery);
  });

  await t.test('what can not be leased: an operator is told before the broker gives it away', async t => {
    await withUser(rabbitmq.url, rabbitmq.managementUrl, async plainUrl => {
      const heard: { readonly event: string; readonly fields?: unknown }[] = [];
      const bus = createEventBus();
      bus.events$.subscribe(event => heard.push(event));
      const broker = createRabbitmqBroker({ url: plainUrl, queues: [], emit: bus.emit });
      t.teardown(() => broker.close());
      const connection = await connect(rabbitmq.url);
      t.teardown(() => connection.close());
      const channel = await connection.createConfirmChannel();
      const { queue: name } = await channel.assertQueue('rmq_patience', { durable: true });
      channel.sendToQueue(name, Buffer.from('long'));
      await channel.waitForConfirms();
      const queue = broker.open(name);
      const hold = async () => {
        const delivery = await eventually(async () => {
          const found = await queue.receive(new AbortController().signal);
          assert.ok(found);
          return found;
        });
        delivery.lost.addEventListener('abort', () => heard.push({ event: 'lost' }), { once: true });
        await delivery.begin(1, 'key');
        return delivery;
      };
      const events = () => heard.map(({ event }) => event);
      // Its limit is told by nothing but its end.
      await hold();
      await eventually(() => assert.ok(events().includes('lost')), { timeoutMs: 30_000 });
      const second = await hold();
      await eventually(() => assert.ok(events().includes('patience-ending')), { timeoutMs: 30_000 });
      const at = events().indexOf('patience-ending');
      t.strictSame(
        events()
          .slice(0, at)
          .filter(event => event === 'lost').length,
        1,
        'before it is lost once more',
      );
      t.match(heard[at]?.fields, { limitMs: consumerTimeoutMs, remedy: /studioml\.\*/ });
      await second.settle({ type: 'accept' }).catch(() => undefined);
    });
  });

  await t.test('the connection is cut', async t => {
    const scenery = await runningOn(t, rabbitmq);
    for (let cut = 1; cut <= 2; cut++) {
      scenery.proxy.cut();
      await heard(scenery.first, 'broker-connected', cut + 1);
      await delay(1200);
    }
    await carriesOn(t, scenery);
  });
});
