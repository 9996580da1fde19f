import assert from 'node:assert/strict';
import t from 'tap';
import { AttemptError } from '../../lib/errors.ts';
import { createGrowingDelays } from '../../lib/flow/growing-delay.ts';
import { createQuarantine, type Quarantine } from '../../lib/resources/quarantine.ts';
import { eventually } from '../helpers/eventually.ts';
import { createRig } from '../helpers/rig.ts';
import { ScriptedExecutor } from '../helpers/scripted-executor.ts';

t.test('a machine that fails several projects takes nothing more, until it is tried again', async t => {
  let broken = true;
  const provision = () => {
    if (broken) throw new AttemptError('engine-fault', 'the machine fails');
  };
  const made: { quarantine?: Quarantine; tryAgain?: () => void } = {};
  const rig = createRig(t, {
    executor: new ScriptedExecutor(() => ({ provision })),
    over: {
      maxAttempts: 1,
      delays: createGrowingDelays(1, 1, 100),
      quarantine: { ended: ending => made.quarantine?.ended(ending) },
    },
  });
  made.quarantine = createQuarantine({
    emit: () => undefined,
    pause: () => {
      rig.demand.pause('quarantine');
    },
    resume: () => {
      rig.demand.resume('quarantine');
    },
    setAside: () => undefined,
    putBack: () => undefined,
    lookAtCards: () => Promise.resolve(),
    later: (_ms, work) => {
      made.tryAgain = work;
      return () => undefined;
    },
  });
  for (const name of ['a', 'b', 'c', 'd']) rig.broker.publish(`rmq_${name}`, rig.request(name, { project: name }));
  await eventually(() => {
    assert.ok(made.quarantine?.reason);
    assert.equal(rig.ledger.grants, 0);
  });
  const before = rig.settled.length;
  await new Promise(resolve => setTimeout(resolve, 100));
  t.ok(rig.settled.length - before <= 2, 'nothing is consumed beside what was in hand');
  t.ok(rig.settled.every(({ settlement, identity }) => settlement === 'release' && identity.number === 1));
  broken = false;
  made.tryAgain?.();
  await eventually(() => {
    assert.equal(rig.settled.filter(({ settlement }) => settlement === 'accept').length, 4);
  });
  t.equal(made.quarantine.reason, undefined);
});
