import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { carriesOn, heard, runningOn } from '../helpers/outages.ts';
import { startRabbitmq } from '../helpers/private-rabbitmq.ts';

/** The broker gives up on a delivery that is held for this long: shorter than the experiments here. */
const consumerTimeoutMs = 5000;

t.test('an experiment runs on through what its broker goes through', { timeout: 110_000 }, async t => {
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
