import t from 'tap';
import { carriesOn, heard, runningOn } from '../helpers/outages.ts';
import { startRabbitmq } from '../helpers/private-rabbitmq.ts';

t.test('an experiment runs on through a restart of its broker', { timeout: 110_000 }, async t => {
  const rabbitmq = await startRabbitmq(t);
  if (!rabbitmq) return;
  const scenery = await runningOn(t, rabbitmq);
  await rabbitmq.halt();
  await rabbitmq.start();
  await heard(scenery.first, 'broker-connected', 2);
  await carriesOn(t, scenery);
});
