import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { isSettled, Load } from './load.ts';

const settleMs = 30_000;
const watchMs = 60_000;
const mib = 1024 * 1024;

/** What a runner takes that has nothing to do: after 100 experiments, on 20 queues. */
export const bench: Bench = {
  name: 'idle',
  async run() {
    const load = await Load.open();
    try {
      for (let i = 0; i < 20; i++) await load.queue();
      const runner = await load.runner(2);
      const done = runner.next(isSettled, 100, 300_000);
      for (let i = 0; i < 100; i++) await load.publish(load.queues[i % 20] ?? '', 'nothing.py');
      await done;
      await sleep(settleMs);
      const memoryMib = runner.residentBytes / mib;
      const before = runner.cpuSeconds;
      await sleep(watchMs);
      const percent = ((runner.cpuSeconds - before) / (watchMs / 1000)) * 100;
      return [
        { name: 'idle memory', measured: memoryMib, unit: 'MiB', reach: '<= 150', ok: memoryMib <= 150 },
        { name: 'idle CPU', measured: percent, unit: '% of a core', reach: '<= 0.5', ok: percent <= 0.5 },
      ];
    } finally {
      await load.close();
    }
  },
};
