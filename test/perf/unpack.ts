import { setInterval } from 'node:timers';
import { resuming } from '../../lib/storage/resuming.ts';
import { closeS3 } from '../../lib/storage/s3.ts';
import { bringIn } from '../../lib/workspace/unpack.ts';
import { Archives, type Shape } from './archives.ts';
import type { Bench, Row } from './bench.ts';

interface Case {
  readonly name: string;
  readonly key: string;
  readonly shape: Shape;
  /** How others unpack it. */
  readonly tar: string;
  readonly reach: number;
}

const large: Shape = { files: 200, fileBytes: Math.floor(2 ** 30 / 200) };
const cases: readonly Case[] = [
  { name: 'a .tar of 200 files, 1 GiB', key: 'large.tar', shape: large, tar: 'x', reach: 0.9 },
  {
    name: 'a .tar of 50,000 small files',
    key: 'small.tar',
    shape: { files: 50_000, fileBytes: 2000 },
    tar: 'x',
    reach: 0.7,
  },
  { name: 'a .tar.gz of 200 files, 1 GiB', key: 'large.tar.gz', shape: large, tar: 'xz', reach: 1.3 },
];
const rounds = 3;
const mostBytes = 150 * 2 ** 20;

/** The most memory above what there was before, while work goes on. */
const peakOf = async (work: () => Promise<void>): Promise<number> => {
  const before = process.memoryUsage.rss();
  let peak = before;
  const look = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  await work().finally(() => clearInterval(look));
  return peak - before;
};

/** From the store to the disk: the time of `s5cmd cat | tar x` over ours, the best of some rounds each. */
export const bench: Bench = {
  name: 'unpack',
  async run() {
    const archives = new Archives();
    const rows: Row[] = [];
    try {
      const ours = (key: string) => async (directory: string) => {
        const at = resuming({ store: archives.store, key }, { emit: () => undefined, about: {}, artifact: 'data' });
        await bringIn(await at.store.get(key), 'archive', directory, { name: key });
      };
      let peak = 0;
      for (const { name, key, shape, tar, reach } of cases) {
        archives.make(key, shape);
        const theirs = (directory: string) =>
          archives.shell(`"$S5CMD" cat '${archives.nameOf(key)}' | tar -C '${directory}' -${tar}f -`);
        const [their, our]: number[][] = [[], []];
        for (let round = 0; round < rounds; round++) {
          their?.push(await archives.timed(theirs));
          const work = async () => {
            our?.push(await archives.timed(ours(key)));
          };
          peak = Math.max(peak, await peakOf(work));
        }
        archives.clear();
        const [best, bestOfOurs] = [Math.min(...(their ?? [])), Math.min(...(our ?? []))];
        const ratio = best / bestOfOurs;
        rows.push({
          name: `${name}: s5cmd cat | tar ${tar} / ours`,
          measured: ratio,
          unit: '',
          reach: `>= ${String(reach)}`,
          ok: ratio >= reach,
          detail: `ours ${bestOfOurs.toFixed(0)} ms, theirs ${best.toFixed(0)} ms`,
        });
      }
      const mebibytes = peak / 2 ** 20;
      rows.push({
        name: 'peak memory above idle',
        measured: mebibytes,
        unit: 'MiB',
        reach: '<= 150',
        ok: peak <= mostBytes,
      });
      return rows;
    } finally {
      archives.close();
      await closeS3();
    }
  },
};
