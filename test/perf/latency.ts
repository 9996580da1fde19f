import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { barePython, runBare } from './bare.ts';
import type { Bench } from './bench.ts';
import { isSettled, Load, percentile } from './load.ts';
import { now, stamps } from './stamps.ts';

const times = 50;
const program = join(import.meta.dirname, 'programs/stamp.py');

/** Publish to the first line of the experiment on an idle runner with a warm environment, over a bare start of the same program. */
export const bench: Bench = {
  name: 'latency',
  async run() {
    const load = await Load.open();
    try {
      const python = await barePython();
      const file = join(load.directory, 'stamps');
      const bare: number[] = [];
      const startBare = async (): Promise<void> => {
        const bareFile = `${file}.bare`;
        await rm(bareFile, { force: true });
        const startedAt = now();
        await runBare(python, program, { BENCH_STAMPS: bareFile });
        bare.push(((await stamps(bareFile)).get('-') ?? NaN) - startedAt);
      };

      const queue = await load.queue();
      const runner = await load.runner(2);
      const publishedAt = new Map<string, number>();
      const warmUp = 10;
      for (let i = -warmUp; i < times; i++) {
        // In turn, so that both see the same machine.
        if (i >= 0) await startBare();
        const settled = runner.next(isSettled);
        const { message } = await load.prepare('stamp.py', { env: { BENCH_STAMPS: file, BENCH_ID: String(i) } });
        publishedAt.set(String(i), now());
        await load.send(queue, message);
        await settled;
      }
      const stamped = await stamps(file);
      const ours = Array.from(
        { length: times },
        (_, i) => (stamped.get(String(i)) ?? NaN) - (publishedAt.get(String(i)) ?? NaN),
      );
      return [50, 99].map(p => {
        const ratio = percentile(ours, p) / percentile(bare, p);
        const most = p === 50 ? 2 : 4;
        return {
          name: `latency p${String(p)} / bare start`,
          measured: ratio,
          unit: '',
          reach: `<= ${String(most)}`,
          ok: ratio <= most,
          detail: `ours ${percentile(ours, p).toFixed(1)} ms, bare ${percentile(bare, p).toFixed(1)} ms`,
        };
      });
    } finally {
      await load.close();
    }
  },
};
