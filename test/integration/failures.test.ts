/** Programs that are wrong in one way each, through the whole runner: what is said of each. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openControlGroups } from '../../lib/resources/cgroups/control-groups.ts';
import { eventually } from '../helpers/eventually.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';

const programs = join(import.meta.dirname, '../../fixtures/experiments');

interface Expected {
  readonly cause: string;
  readonly failure?: Readonly<Record<string, unknown>>;
}
const exited = (code: number, stderr?: RegExp): Expected => ({
  cause: 'exited',
  failure: { cause: 'exited', exit_code: code, ...(stderr && { stderr: { length: Number } }) },
});
const killed = (signal: string): Expected => ({ cause: 'killed', failure: { cause: 'killed', signal } });
const completed: Expected = { cause: 'completed' };
const overTime: Expected = { cause: 'max-duration', failure: { cause: 'max-duration' } };
const memory: Expected = {
  cause: 'out-of-memory',
  failure: { limit_bytes: 120_000_000, peak_bytes: Number, message: /limit is 120 MB, the peak \d+ MB/ },
};
const disk: Expected = { cause: 'out-of-disk', failure: { limit_bytes: 20_000_000, peak_bytes: Number } };

const expected: Readonly<Record<string, Expected>> = {
  'exit-3': exited(3),
  'exit-137': exited(137),
  'exit-255': exited(255),
  'exits-in-a-thread': exited(7),
  'closes-its-streams': exited(4),
  raises: exited(1, /ValueError: it is wrong/),
  'syntax-error': exited(1, /SyntaxError/),
  'imports-nothing': exited(1, /no_such_module_anywhere/),
  recurses: exited(1, /RecursionError/),
  'removes-its-workspace': exited(1, /FileNotFoundError/),
  'kills-itself': killed('SIGSEGV'),
  'kills-itself-hard': killed('SIGKILL'),
  'kills-its-group': killed('SIGKILL'),
  'terminates-itself': killed('SIGTERM'),
  'faults-in-arithmetic': killed('SIGFPE'),
  aborts: killed('SIGABRT'),
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
  'fork-bomb': overTime,
  daemon: completed,
  'own-session': completed,
  'own-session-deaf': completed,
  'sleeping-child': completed,
  'reads-stdin': completed,
};

const needs = (cause: string) => ({
  cpus: 1,
  gpus: 0,
  ram: cause === 'out-of-memory' ? '120mb' : '500mb',
  hdd: cause === 'out-of-disk' ? '20mb' : '2gb',
});

t.test('each program that misbehaves is told by its cause, with evidence', { timeout: 110_000 }, async t => {
  const groups = await openControlGroups({ endLeftovers: false });
  groups.close();
  const scene = new PipelineScene(t, { MEMORY_LIMIT: 'hard', MAX_CORES: '6' });
  const submitted = Object.entries(expected)
    // Without control groups nothing but its time ends a fork bomb: that is no test for a machine that others use.
    .filter(([name]) => name !== 'fork-bomb' || groups.enforced.processes !== undefined)
    .map(async ([name, { cause, failure }]) => {
      const program = readFileSync(join(programs, `${name}.py`), 'utf8');
      const maxDuration = cause === 'max-duration' ? '3s' : '100s';
      const key = await scene.submit({ program, resources: needs(cause), maxDuration });
      return {
        name,
        key,
        cause,
        failure,
        settled: await scene.settled(key, 100_000),
      };
    });
  for (const { name, key, cause, failure, settled } of await Promise.all(submitted)) {
    t.equal(settled['cause'], cause, `${name}: ${String(settled['message'])}`);
    const { studioml } = await scene.metadata(key);
    const output = (await scene.output(key)).subarray(-4096).toString();
    t.match(output, /^runner: queued .*, run .* in all$/m, `${name}: what it took is at the end of its output`);
    if (failure) {
      t.match(studioml['failure'], failure, `${name}: its failure`);
      t.ok(output.includes(`runner: ${String(settled['message'])} (${cause})\n`), `${name}: told in the output`);
    } else t.notOk('failure' in studioml, `${name}: no failure`);
    t.match(studioml['used'], { disk_bytes: Number }, `${name}: what it used`);

    const { wall_ms: wall = 0, ...spans } = studioml['timings'] as Record<string, number>;
    const sum = Object.values(spans).reduce((total, ms) => total + ms, 0);
    t.ok(Math.abs(sum - wall) <= wall / 100, `${name}: the parts add up`);
    const timings = settled['timings'] as Record<string, number>;
    const { queued_ms: queued = 0, wall_ms: whole = 0 } = timings;
    const took = Number(settled['durationMs']);
    t.ok(Math.abs(whole - queued - took) <= took / 100 + 1, `${name}: all parts are the time from taken to settled`);
  }
  await eventually(() => {
    assert.deepEqual(scene.leftovers(), [], 'neither directory nor process is left');
  });
  t.equal(await scene.runner.stop(), 0);
});
