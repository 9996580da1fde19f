/** Programs that take too much, in one way each, through the whole runner. */
import t from 'tap';
import { openControlGroups } from '../../lib/resources/cgroups/control-groups.ts';
import { judge, type Expected } from '../helpers/judge.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';

const overTime: Expected = { cause: 'max-duration', failure: { cause: 'max-duration' } };
const memory: Expected = {
  cause: 'out-of-memory',
  failure: { limit_bytes: 120_000_000, peak_bytes: Number, message: /limit is 120 MB, the peak \d+ MB/ },
};
const disk: Expected = { cause: 'out-of-disk', failure: { limit_bytes: 20_000_000, peak_bytes: Number } };

t.test('each program that takes too much is told by what it took', { timeout: 110_000 }, async t => {
  const groups = await openControlGroups({ endLeftovers: false });
  await groups.close();
  await judge(t, new PipelineScene(t, { MEMORY_LIMIT: 'hard', MAX_CORES: '6' }), {
    'too-much-memory': memory,
    'holds-memory': memory,
    'child-takes-memory': memory,
    'too-much-disk': disk,
    'many-small-files': disk,
    'fills-tmp': disk,
    'prints-too-much': disk,
    sleeps: overTime,
    spins: overTime,
    'stops-itself': overTime,
    'ignores-sigterm': overTime,
    'forgets-itself': overTime,
    // Without control groups nothing but its time ends it: that is no test for a machine that others use.
    ...(groups.enforced.processes === undefined ? {} : { 'fork-bomb': overTime }),
  });
});
