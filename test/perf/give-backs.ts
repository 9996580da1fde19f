import { setTimeout as sleep } from 'node:timers/promises';
import type { EventLine, RunnerProcess } from '../helpers/runner-process.ts';
import type { Bench } from './bench.ts';
import { isSettled, Load } from './load.ts';

/** GIVE_BACKS_QUEUES: fewer, for a look whether it works. */
const queues = Number(process.env['GIVE_BACKS_QUEUES'] ?? 1000);
const each = 5;
const slots = 2;
const timeoutMs = 3_600_000;
/** Until the runners wait for every queue. */
const settleMs = 15_000;

/** The most messages that a runner had in hand and not admitted, as its events tell. One that comes unasked has no attempt yet. */
const mostHeld = (events: readonly EventLine[]): number => {
  const held = new Set<unknown>();
  let most = 0;
  for (const { event, queue, attempt, state } of events) {
    if (event === 'message-unasked') {
      if (state === 'held') held.add(queue);
      else held.delete(queue);
    } else if (event === 'message-taken') {
      held.delete(queue);
      held.add(attempt);
    } else if (event === 'admitted' || event === 'settled') held.delete(attempt);
    most = Math.max(most, held.size);
  }
  return most;
};

/** What went back to its queue: after it was taken, or as soon as it came. */
const isRelease = ({ event, settlement, state }: EventLine): boolean =>
  (event === 'settled' && settlement === 'release') || (event === 'message-unasked' && state === 'returned');

/**
 * A thousand queues with five experiments each, published while two runners wait for all of them: what is taken and given back, and what is held in vain.
 */
export const bench: Bench = {
  name: 'give-backs',
  async run() {
    const load = await Load.open('directory');
    try {
      for (let i = 0; i < queues; i++) await load.queue();
      const runners: RunnerProcess[] = [];
      for (const name of ['a', 'b']) {
        const env = { DEBUG: 'true', WORKING_DIR: `${load.directory}/${name}` };
        runners.push(await load.runner(slots, env));
      }
      await sleep(settleMs);
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
        for (const queue of load.queues)
          await load.publish(queue, 'nothing.py', { resources: { cpus: 1 }, lifetime: '24h' });
      await all;
      const events = runners.flatMap(runner => runner.events);
      const releases = events.filter(isRelease).length;
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
