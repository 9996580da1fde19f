import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { Load } from './load.ts';

const settleMs = 20_000;
const watchMs = 60_000;
const most = 1;

/** CPU of a runner that has so many empty queues, in percent of a core. */
const idlePercent = async (queues: number): Promise<number> => {
  const load = await Load.open();
  try {
    for (let i = 0; i < queues; i++) await load.queue();
    const runner = await load.runner(2);
    await sleep(settleMs);
    const before = runner.cpuSeconds;
    await sleep(watchMs);
    return ((runner.cpuSeconds - before) / (watchMs / 1000)) * 100;
  } finally {
    await load.close();
  }
};

/** What a thousand queues with nothing in them cost, beside ten. */
export const bench: Bench = {
  name: 'many-queues',
  async run() {
    const few = await idlePercent(10);
    const many = await idlePercent(1000);
    return [
      {
        name: 'CPU on 1,000 idle queues minus on 10',
        measured: many - few,
        unit: '% of a core',
        reach: `<= ${String(most)}`,
        ok: many - few <= most,
        detail: `1,000 queues ${many.toFixed(2)} %, 10 queues ${few.toFixed(2)} %`,
      },
    ];
  },
};
