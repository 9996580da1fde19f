import assert from 'node:assert/strict';
import t from 'tap';
import { noCards, type Cards } from '../../lib/resources/gpu/cards.ts';
import { eventually } from '../helpers/eventually.ts';
import { createRig } from '../helpers/rig.ts';

const asksForCard = { resources_needed: { cpus: 1, ram: '1mb', hdd: '1mb', gpus: 1 } };

t.test('a stop does not wait for a look at the cards that hangs', async t => {
  let looks = 0;
  const cards: Cards = {
    ...noCards,
    refresh: () => {
      looks += 1;
      return Promise.race([]);
    },
  };
  const rig = createRig(t, { cards });
  rig.broker.publish('rmq_a', rig.request('a', asksForCard));
  await eventually(() => {
    assert.equal(looks, 1);
  });
  rig.runner.stop();
  await rig.runner.finished;
  t.match(rig.settled, [{ settlement: 'release', end: { cause: 'stopping' } }]);
});
