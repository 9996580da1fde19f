import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { barePython } from './bare.ts';
import type { Bench } from './bench.ts';
import { isSettled, Load, percentile } from './load.ts';

const rounds = 5;
const each = 40;
/** A runner lives for weeks: what V8 compiles at its beginning is not counted. It is done after some six hundred runs. */
const warmUp = 1000;
const program = join(import.meta.dirname, 'programs/nothing.py');

/** CPU time of a bare start of the program, user and system, s. bash tells that of its children. */
const bareStart = async (python: string): Promise<number> => {
  const script = 'for ((i = 0; i < $1; i++)); do "$2" "$3"; done; times';
  const { stdout } = await promisify(execFile)('bash', ['-c', script, 'bash', String(each), python, program]);
  const ofChildren = stdout.trim().split('\n').at(-1) ?? '';
  const seconds = [...ofChildren.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, rest]) => Number(minutes) * 60 + Number(rest),
  );
  return seconds.reduce((sum, one) => sum + one, 0) / each;
};

/**
 * What an experiment that does nothing costs the runner itself, its messages, transfers and documents included, over what starting
 * Python for it costs. In turns.
 */
export const bench: Bench = {
  name: 'overhead',
  async run() {
    const load = await Load.open();
    try {
      const python = await barePython();
      const queue = await load.queue();
      const runner = await load.runner(2);
      const runOurs = async (): Promise<number> => {
        const before = runner.cpuSeconds;
        const done = runner.next(isSettled, each, 300_000);
        for (let i = 0; i < each; i++) await load.publish(queue, 'nothing.py');
        await done;
        return (runner.cpuSeconds - before) / each;
      };
      for (let done = 0; done < warmUp; done += each) await runOurs();
      const [ours, bare]: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        ours.push(await runOurs());
        bare.push(await bareStart(python));
      }
      const [perRun, perStart] = [percentile(ours, 50), percentile(bare, 50)];
      const ratio = perRun / perStart;
      return [
        {
          name: 'CPU time of the runner per no-op experiment / of a bare Python start',
          measured: ratio,
          unit: '',
          reach: '<= 1',
          ok: ratio <= 1,
          detail: `${(perRun * 1000).toFixed(1)} ms and ${(perStart * 1000).toFixed(1)} ms`,
        },
      ];
    } finally {
      await load.close();
    }
  },
};
