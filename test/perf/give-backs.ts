import type { EventLine, RunnerProcess } from '../helpers/runner-process.ts';
import type { Bench } from './bench.ts';
import { isSettled, Load } from './load.ts';

const queues = 1000;
const each = 5;
const slots = 2;
const timeoutMs = 3_600_000;

/** The most deliveries that a runner held at once which it had not admitted, as its events tell. */
const mostHeld = (events: readonly EventLine[]): number => {
  const held = new Set<unknown>();
  let most = 0;
  for (const { event, attempt } of events) {
    if (event === 'message-taken') held.add(attempt);
    if (event === 'admitted' || event === 'settled') held.delete(attempt);
    most = Math.max(most, held.size);
  }
  return most;
};

/** A thousand queues with five experiments each and two runners: what is taken and given back, and what is held in vain. */
export const bench: Bench = {
  name: 'give-backs',
  async run() {
    const load = await Load.open();
    try {
      for (let i = 0; i < queues; i++) await load.queue();
      const runners: RunnerProcess[] = [];
      for (const name of ['a', 'b']) {
        const env = { DEBUG: 'true', WORKING_DIR: `${load.directory}/${name}` };
        runners.push(await load.runner(slots, env));
      }
      const total = queues * each;
      let done = 0;
      const all = new Promise<void>((resolve, reject) => {
        setTimeout(() => reject(new Error(`not done: ${String(done)} of ${String(total)}`)), timeoutMs).unref();
        for (const runner of runners)
          runner.events$.subscribe({
            next: event => {
              if (isSettled(event) && ++done === total) resolve();
            },
            error: reject,
          });
      });
      for (let round = 0; round < each; round++)
        for (const queue of load.queues) await load.publish(queue, 'nothing.py', { resources: { cpus: 1 } });
      await all;
      const events = runners.flatMap(runner => runner.events);
      const releases = events.filter(one => one.event === 'settled' && one['settlement'] === 'release').length;
      const held = Math.max(...runners.map(runner => mostHeld(runner.events)));
      return [
        {
          name: 'releases per experiment',
          measured: releases / total,
          unit: '',
          reach: '<= 0.05',
          ok: releases / total <= 0.05,
          detail: `${String(releases)} of ${String(total)}; ${String(queues)} queues, ${String(runners.length)} runners of ${String(slots)} slots`,
        },
        {
          name: 'most deliveries held beyond what runs',
          measured: held,
          unit: '',
          reach: `<= ${String(slots + 1)}`,
          ok: held <= slots + 1,
        },
      ];
    } finally {
      await load.close();
    }
  },
};
