import type { Bench } from './bench.ts';
import { publishHeavy, storeLarge } from './heavy-request.ts';
import { isSettled, Load } from './load.ts';
import { openTransfers } from './transfers.ts';

const mostMb = 150;

/** What a runner takes in memory above its idle state while 1 GiB comes in and goes out as a tar.gz. */
export const bench: Bench = {
  name: 'memory',
  async run() {
    const load = await Load.open();
    const place = await openTransfers();
    try {
      await storeLarge(place);
      const queue = await load.queue();
      const runner = await load.runner(1);
      const warm = runner.next(isSettled);
      await load.publish(queue, 'nothing.py');
      await warm;
      const idleBytes = runner.residentBytes;
      let peakBytes = idleBytes;
      const timer = setInterval(() => {
        peakBytes = Math.max(peakBytes, runner.residentBytes);
      }, 50);
      const settled = runner.next(isSettled, 1, 600_000);
      await publishHeavy(load, queue, place);
      const [end] = await settled.finally(() => clearInterval(timer));
      if (end?.['cause'] !== 'completed') throw new Error(`it ended otherwise: ${JSON.stringify(end)}`);
      const measured = (peakBytes - idleBytes) / 1e6;
      return [
        {
          name: 'memory above idle during a transfer of 1 GiB in and out',
          measured,
          unit: 'MB',
          reach: `<= ${String(mostMb)}`,
          ok: measured <= mostMb,
          detail: `idle ${(idleBytes / 1e6).toFixed(0)} MB, peak ${(peakBytes / 1e6).toFixed(0)} MB`,
        },
      ];
    } finally {
      await load.close();
      await place.close();
    }
  },
};
