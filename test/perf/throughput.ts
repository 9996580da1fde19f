import { join } from 'node:path';
import { bareLoop, barePython } from './bare.ts';
import type { Bench } from './bench.ts';
import { isSettled, Load } from './load.ts';

const slots = 2;
/** A runner lives for weeks: what it compiles in its first seconds is not counted. */
const warmUp = 200;
const program = (file: string) => join(import.meta.dirname, 'programs', file);

/** Wall time from the first start of `count` experiments that wait on a queue to the last one settled, ms. */
const wallOf = async (load: Load, file: string, count: number): Promise<number> => {
  const queue = await load.queue();
  const runner = await load.runner(slots);
  const warm = runner.next(isSettled, warmUp);
  for (let i = 0; i < warmUp; i++) await load.publish(queue, 'nothing.py');
  await warm;
  const messages: string[] = [];
  for (let i = 0; i < count; i++) messages.push((await load.prepare(file)).message);
  const done = runner.next(isSettled, count, 300_000);
  const startedAt = performance.now();
  for (const message of messages) await load.send(queue, message);
  await done;
  const wall = performance.now() - startedAt;
  await runner.stop();
  return wall;
};

/** 200 experiments that do nothing, and 40 that take a second each, on two slots, over a bare loop of the same programs. */
export const bench: Bench = {
  name: 'throughput',
  async run() {
    const load = await Load.open();
    try {
      const python = await barePython();
      const bareNothing = await bareLoop(python, program('nothing.py'), 200, slots);
      const nothing = await wallOf(load, 'nothing.py', 200);
      const bareSecond = await bareLoop(python, program('second.py'), 40, slots);
      const second = await wallOf(load, 'second.py', 40);
      const throughput = nothing / bareNothing;
      const efficiency = bareSecond / second;
      return [
        {
          name: 'throughput: 200 no-op experiments / bare loop',
          measured: throughput,
          unit: '',
          reach: '<= 2.5',
          ok: throughput <= 2.5,
          detail: `ours ${nothing.toFixed(0)} ms, bare ${bareNothing.toFixed(0)} ms`,
        },
        {
          name: 'efficiency: bare loop / 40 experiments of 1 s',
          measured: efficiency,
          unit: '',
          reach: '>= 0.95',
          ok: efficiency >= 0.95,
          detail: `ours ${second.toFixed(0)} ms, bare ${bareSecond.toFixed(0)} ms`,
        },
      ];
    } finally {
      await load.close();
    }
  },
};
