import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import type { RunnerProcess } from '../helpers/runner-process.ts';
import type { Bench } from './bench.ts';
import { isSettled, Load, percentile } from './load.ts';

const rounds = 7;
const each = 40;

/**
 * The same experiments on two runners, in turn: one tells its events to a listener that never reads as well, the other does not. How
 * many experiments a second they settle.
 */
export const bench: Bench = {
  name: 'stuck-sink',
  async run() {
    const load = await Load.open();
    const stuck = createServer(socket => socket.pause().on('error', () => undefined));
    try {
      stuck.listen(0, '127.0.0.1');
      await once(stuck, 'listening');
      const address = `tcp://127.0.0.1:${String((stuck.address() as AddressInfo).port)}`;
      const measure = async (queue: string, runner: RunnerProcess): Promise<{ perSecond: number; cpu: number }> => {
        const done = runner.next(isSettled, each, 300_000);
        const cpu = runner.cpuSeconds;
        const startedAt = performance.now();
        for (let i = 0; i < each; i++) await load.publish(queue, 'nothing.py');
        await done;
        return { perSecond: (each * 1000) / (performance.now() - startedAt), cpu: runner.cpuSeconds - cpu };
      };
      const sides = [];
      for (const events of [`-,${address}`, '-']) {
        const queue = await load.queue();
        const runner = await load.runner(2, { EVENTS: events, DEBUG: 'true', QUEUE_MATCH: `^${queue}$` }, 1);
        await measure(queue, runner);
        sides.push({ queue, runner, rates: [] as number[], cpu: 0 });
      }
      for (let round = 0; round < rounds; round++)
        for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
          const { perSecond, cpu } = await measure(side.queue, side.runner);
          side.rates.push(perSecond);
          side.cpu += cpu;
        }
      const [withStuck = NaN, without = NaN] = sides.map(({ rates }) => percentile(rates, 50));
      const ratio = withStuck / without;
      const used = sides.map(({ cpu }) => `${cpu.toFixed(2)} s`).join(' and ');
      return [
        {
          name: 'throughput, with a stuck event sink / without',
          measured: ratio,
          unit: '',
          reach: '>= 0.98',
          ok: ratio >= 0.98,
          detail: `${withStuck.toFixed(1)} and ${without.toFixed(1)} experiments/s; CPU of the runners ${used}`,
        },
      ];
    } finally {
      await load.close();
      stuck.close();
    }
  },
};
