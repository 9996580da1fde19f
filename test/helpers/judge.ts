import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { eventually } from './eventually.ts';
import type { PipelineScene } from './pipeline-scene.ts';

const programs = join(import.meta.dirname, '../../fixtures/experiments');

/** What is to be said of a program. `failure`: of studioml.failure. */
export interface Expected {
  readonly cause: string;
  readonly failure?: Readonly<Record<string, unknown>>;
}

const needs = (cause: string) => ({
  cpus: 1,
  gpus: 0,
  ram: cause === 'out-of-memory' ? '120mb' : '500mb',
  hdd: cause === 'out-of-disk' ? '20mb' : '2gb',
});

/** Run programs of fixtures/experiments through the whole runner: each is told by its cause, with evidence and a bill that adds up. */
export const judge = async (
  t: Test,
  scene: PipelineScene,
  expected: Readonly<Record<string, Expected>>,
): Promise<void> => {
  const submitted = Object.entries(expected).map(async ([name, { cause, failure }]) => {
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
};
