import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { barePython, runBare } from './bare.ts';
import type { Bench } from './bench.ts';
import { publishHeavy, storeLarge } from './heavy-request.ts';
import { isSettled, Load, percentile } from './load.ts';
import { now, stamps } from './stamps.ts';
import { openTransfers } from './transfers.ts';

const program = join(import.meta.dirname, 'programs/stamp.py');
const most = 2.5;

/** Publish to the first line of a small experiment while 1 GiB comes in and goes out, over a bare start in the same time. */
export const bench: Bench = {
  name: 'beside',
  async run() {
    const load = await Load.open();
    const place = await openTransfers();
    try {
      await storeLarge(place);
      const python = await barePython();
      const file = join(load.directory, 'stamps');
      const bareFile = join(load.directory, 'bare-stamps');
      const [queue, heavy] = [await load.queue(), await load.queue()];
      const runner = await load.runner(4);
      const warm = runner.next(isSettled, 5);
      for (let i = 0; i < 5; i++)
        await load.publish(queue, 'stamp.py', { env: { BENCH_STAMPS: file, BENCH_ID: 'warm' } });
      await warm;

      let isHeavy = true;
      const transfer = async () => {
        const key = await publishHeavy(load, heavy, place);
        const [end] = await runner.next(one => isSettled(one) && one.experiment === key, 1, 600_000);
        if (end?.['cause'] !== 'completed') throw new Error(`it ended otherwise: ${JSON.stringify(end)}`);
        isHeavy = false;
      };
      const transferred = transfer();
      const bare: number[] = [];
      const publishedAt = new Map<string, number>();
      for (let i = 0; isHeavy && i < 100; i++) {
        await rm(bareFile, { force: true });
        const startedAt = now();
        await runBare(python, program, { BENCH_STAMPS: bareFile });
        bare.push(((await stamps(bareFile)).get('-') ?? NaN) - startedAt);
        const id = String(i);
        publishedAt.set(id, now());
        const settled = runner.next(one => isSettled(one) && one.queue === queue);
        await load.publish(queue, 'stamp.py', { env: { BENCH_STAMPS: file, BENCH_ID: id } });
        await settled;
      }
      await transferred;
      const stamped = await stamps(file);
      const ours = [...publishedAt].map(([id, atMs]) => (stamped.get(id) ?? NaN) - atMs);
      const measured = percentile(ours, 50) / percentile(bare, 50);
      return [
        {
          name: 'latency p50 beside a transfer of 1 GiB in and out / bare start beside it',
          measured,
          unit: '',
          reach: `<= ${String(most)}`,
          ok: measured <= most,
          detail: `ours ${percentile(ours, 50).toFixed(1)} ms, bare ${percentile(bare, 50).toFixed(1)} ms, ${String(ours.length)} starts`,
        },
      ];
    } finally {
      await load.close();
      await place.close();
    }
  },
};
