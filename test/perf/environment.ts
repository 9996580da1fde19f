import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createEnvironments } from '../../lib/executors/environments/environments.ts';
import { installerEnv } from '../../lib/executors/installer-env.ts';
import { chooseInterpreter, findInterpreters } from '../../lib/executors/interpreters.ts';
import { createPrivateEnvironment } from '../../lib/executors/private-environment.ts';
import type { Bench } from './bench.ts';
import { percentile } from './load.ts';

const run = promisify(execFile);
const requirements = ['numpy', 'pandas', 'scikit-learn', 'requests'];
const rounds = 3;
const warmRounds = 20;
const starts = 50;

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
};

/** Environments of real packages from the index that this machine has: built, shared, and asked for by many at once. */
export const bench: Bench = {
  name: 'environment',
  async run() {
    const uv = process.env['TEST_UV'];
    if (uv === undefined) throw new Error(process.env['TEST_UV_MISSING'] ?? 'there is no uv');
    const directory = await mkdtemp(join(tmpdir(), 'bench-environment-'));
    const interpreter = chooseInterpreter(await findInterpreters(), '3');
    const env = { ...installerEnv(process.env), UV_CACHE_DIR: join(directory, 'cache') };
    const opened: ReturnType<typeof createEnvironments>[] = [];
    const open = (name: string) => {
      const one = createEnvironments({
        directory: join(directory, name),
        limitBytes: Infinity,
        uv,
        runsMayWrite: true,
        emit: () => undefined,
      });
      opened.push(one);
      return one;
    };
    const wanted = {
      interpreter,
      requirements,
      env,
      log: join(directory, 'log'),
      signal: new AbortController().signal,
    };
    const bare = async (name: string) => {
      const target = join(directory, name);
      await run(uv, ['venv', '-q', '--python', interpreter.path, target], { env });
      const args = ['pip', 'install', '-q', '--link-mode', 'copy', '--python', join(target, 'bin/python')];
      await run(uv, [...args, ...requirements, 'pip'], { env });
    };
    try {
      await bare('first');
      const [ours, theirs]: [number[], number[]] = [[], []];
      for (let i = 0; i < rounds; i++) {
        theirs.push(await timed(() => bare(`bare-${String(i)}`)));
        ours.push(await timed(() => open(`ours-${String(i)}`).get(wanted)));
      }
      const ratio = percentile(ours, 50) / percentile(theirs, 50);

      const environments = open('ours-0');
      await (await environments.get(wanted)).release();
      const warm: number[] = [];
      for (let i = 0; i < warmRounds; i++) {
        const startedAt = performance.now();
        const shared = await environments.get(wanted);
        createPrivateEnvironment(join(directory, `own-${String(i)}`), interpreter, shared);
        warm.push(performance.now() - startedAt);
        await shared.release();
      }

      const [first, second] = [open('many'), open('many')];
      const all = await Promise.all(
        Array.from({ length: starts }, (_, i) => (i % 2 === 0 ? first : second).get(wanted)),
      );
      const builds = all.filter(one => one.built).length;
      return [
        {
          name: 'built / uv venv, uv pip install',
          measured: ratio,
          unit: '',
          reach: '<= 1.15',
          ok: ratio <= 1.15,
          detail: `ours ${percentile(ours, 50).toFixed(0)} ms, uv ${percentile(theirs, 50).toFixed(0)} ms, link mode copy, cache warm`,
        },
        {
          name: 'warm, in provision',
          measured: percentile(warm, 50),
          unit: 'ms',
          reach: '<= 10',
          ok: percentile(warm, 50) <= 10,
          detail: `p95 ${percentile(warm, 95).toFixed(1)} ms`,
        },
        {
          name: `${String(starts)} starts at once on two runners`,
          measured: builds,
          unit: 'builds',
          reach: '1',
          ok: builds === 1,
        },
      ];
    } finally {
      await Promise.all(opened.map(one => one.close()));
      await rm(directory, { recursive: true, force: true });
    }
  },
};
