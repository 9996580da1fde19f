import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bench, Row } from './bench.ts';
import { LINES, writeMergeInput } from './merge-input.ts';

interface Plain {
  readonly ms: number;
  readonly parsed: number;
}
interface Ours {
  readonly ms: number;
  readonly idleBytes: number;
  readonly peakBytes: number;
  readonly cause: string;
  readonly counts: { readonly lines: number; readonly applied: number; readonly skipped: number };
}

const ROUNDS = 5;
const MIB = 1024 * 1024;
const script = (name: string) => join(import.meta.dirname, name);

const measure = async <T>(file: string, ...args: string[]): Promise<T> => {
  const { stdout } = await promisify(execFile)(process.execPath, [script(file), ...args]);
  return JSON.parse(stdout) as T;
};

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;

const assertWhole = async (plain: Plain, ours: Ours, input: string, output: string): Promise<void> => {
  const [read, written] = await Promise.all([stat(input), stat(output)]);
  const { lines, applied } = ours.counts;
  // After what was printed the runner says what each part took.
  const isWhole = written.size >= read.size && written.size < read.size + 1000;
  if (ours.cause !== 'completed' || lines !== LINES || applied !== plain.parsed || !isWhole) {
    throw new Error(`the merge did not do its work: ${JSON.stringify(ours)}, ${written.size} of ${read.size} bytes`);
  }
};

/**
 * A million lines printed by `cat`, a tenth of them directives: the time of a plain loop of chunk, split and JSON.parse over the
 * same file, divided by the time of the merge into output/output and document; and the memory that the merge takes at most.
 * Each run has its own process; medians of rounds in turn.
 */
export const bench: Bench = {
  name: 'merge',
  async run(): Promise<Row[]> {
    const directory = await mkdtemp(join(tmpdir(), 'merge-bench-'));
    try {
      const input = join(directory, 'input');
      await writeMergeInput(input);
      const plains: number[] = [];
      const ours: number[] = [];
      let memoryMib = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const plain = await measure<Plain>('merge-plain.ts', input);
        const merged = await measure<Ours>('merge-ours.ts', input, directory);
        await assertWhole(plain, merged, input, join(directory, 'output'));
        await rm(join(directory, 'output'));
        plains.push(plain.ms);
        ours.push(merged.ms);
        memoryMib = Math.max(memoryMib, (merged.peakBytes - merged.idleBytes) / MIB);
      }
      const ratio = median(plains) / median(ours);
      const detail = `plain loop ${median(plains).toFixed(0)} ms, merge ${median(ours).toFixed(0)} ms`;
      return [
        { name: 'plain loop / merge', measured: ratio, unit: '', reach: '>= 0.5', ok: ratio >= 0.5, detail },
        { name: 'peak memory above idle', measured: memoryMib, unit: 'MiB', reach: '<= 150', ok: memoryMib <= 150 },
      ];
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};
