import assert from 'node:assert/strict';
import t from 'tap';
import { createGrowingDelays } from '../../lib/flow/growing-delay.ts';
import { noCards, type Cards } from '../../lib/resources/gpu/cards.ts';
import { eventually } from '../helpers/eventually.ts';
import { openCards } from '../../lib/resources/gpu/open-cards.ts';
import { GpuError } from '../../lib/resources/gpu/nvidia-smi.ts';
import { createQuarantine } from '../../lib/resources/quarantine.ts';
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

t.test('while a driver fails, who asks for a card waits in its queue, and others go on', async t => {
  const card = { uuid: 'GPU-a', name: 'Tesla T4', index: 0, memoryBytes: 2 ** 34, usedBytes: 0, uncorrectable: 0 };
  let isFailing = false;
  const read = () => (isFailing ? Promise.reject(new GpuError('no driver')) : Promise.resolve([card]));
  const cards = await openCards({ read, visible: undefined, overrides: new Map(), emit: () => undefined });
  isFailing = true;
  const quarantine = createQuarantine({
    emit: () => undefined,
    pause: () => {
      rig.demand.pause('quarantine');
    },
    resume: () => undefined,
    setAside: cards.setAside,
    putBack: cards.putBack,
    lookAtCards: cards.refresh,
  });
  const rig = createRig(t, { cards, over: { quarantine, delays: createGrowingDelays(1, 1, 100) } });
  const names = ['a', 'b', 'c'];
  for (const name of names) rig.broker.publish(`rmq_${name}`, rig.request(name, { project: name, ...asksForCard }));
  await eventually(() => {
    assert.deepEqual(
      names.map(name => rig.demand.stateOf(`rabbitmq:rmq_${name}`)).map(({ waitingMs }) => waitingMs !== undefined),
      [true, true, true],
    );
  });
  t.strictSame(
    rig.settled.map(({ end }) => end.cause),
    ['gpu-fault', 'gpu-fault', 'gpu-fault'],
    'each was asked once',
  );
  rig.broker.publish('rmq_cpu', rig.request('cpu'));
  await eventually(() => {
    assert.deepEqual(rig.executor.started, ['cpu']);
  });
  isFailing = false;
  await cards.refresh();
  await eventually(() => {
    assert.equal(rig.settled.filter(({ settlement }) => settlement === 'accept').length, 4);
  });
  quarantine.close();
  cards.close();
});
