import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { carriesOn, heard, runningOn } from '../helpers/outages.ts';
import { startRabbitmq } from '../helpers/private-rabbitmq.ts';

/** Shorter than anything here. */
const consumerTimeoutMs = 5000;

t.test('an experiment runs on through whatever its broker goes through', { timeout: 900_000 }, async t => {
  const rabbitmq = await startRabbitmq(t, consumerTimeoutMs);
  if (!rabbitmq) return;

  await t.test('the connection stalls until the runner gives it up', async t => {
    const scenery = await runningOn(t, rabbitmq);
    scenery.proxy.stall();
    await delay(4000);
    scenery.proxy.resume();
    await delay(2000);
    await carriesOn(t, scenery);
  });

  await t.test('its channels are closed by an operator', async t => {
    const scenery = await runningOn(t, rabbitmq);
    await rabbitmq.ctl('close_all_connections', '--vhost', '/', 'maintenance');
    await heard(scenery.first, 'broker-connected', 2);
    await carriesOn(t, scenery);
  });

  await t.test('its lease queue is deleted by an operator', async t => {
    const scenery = await runningOn(t, rabbitmq);
    const held = await scenery.scene.leaseQueuesOf(scenery.first.pid);
    t.equal(held.length, 2);
    await scenery.scene.broker(async channel => {
      for (const name of held) await channel.deleteQueue(name);
    });
    await heard(scenery.first, 'broker-connected', 2);
    await carriesOn(t, scenery);
  });

  for (const durable of [true, false]) {
    await t.test(`the broker restarts, the work queue is ${durable ? '' : 'not '}durable`, async t => {
      const scenery = await runningOn(t, rabbitmq, { durable });
      await rabbitmq.halt();
      // Longer than a whole lease.
      await delay(12_000);
      await rabbitmq.start();
      await heard(scenery.first, 'broker-connected', 2);
      // Longer than a queue may be missing.
      await delay(7000);
      await carriesOn(t, scenery);
    });
  }

  await t.test('the broker is killed', async t => {
    const scenery = await runningOn(t, rabbitmq);
    await rabbitmq.kill();
    await delay(1000);
    await rabbitmq.start();
    await heard(scenery.first, 'broker-connected', 2);
    await delay(2000);
    await carriesOn(t, scenery);
  });
});

t.test(
  'an alarm blocks all publishing for many leases, and the patience of the broker ends in it',
  { timeout: 300_000 },
  async t => {
    const rabbitmq = await startRabbitmq(t, 40_000);
    if (!rabbitmq) return;
    const scenery = await runningOn(t, rabbitmq);
    await rabbitmq.ctl('set_vm_memory_high_watermark', 'absolute', '1MB');
    await heard(scenery.first, 'broker-blocked');
    await heard(scenery.first, 'broker-lost');
    await delay(5000);
    await rabbitmq.ctl('set_vm_memory_high_watermark', 'absolute', '1GB');
    await delay(5000);
    await carriesOn(t, scenery);
  },
);

t.test('an experiment of four minutes, at a broker that waits for one, runs once', { timeout: 500_000 }, async t => {
  const rabbitmq = await startRabbitmq(t, 60_000);
  if (!rabbitmq) return;
  const scenery = await runningOn(t, rabbitmq, { lease: '60s' });
  await delay(4 * 60_000);
  t.strictSame(
    scenery.first.events.filter(({ event }) => event === 'broker-lost'),
    [],
  );
  await carriesOn(t, scenery);
});
