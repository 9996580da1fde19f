import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createDockerExecutor } from '../../lib/executors/docker/docker.ts';
import { createEngine } from '../../lib/executors/docker/engine.ts';
import { createContainerJournal } from '../../lib/executors/docker/journal.ts';
import { createScope } from '../../lib/flow/scope.ts';
import type { StagedAttempt } from '../../lib/model/attempt.ts';
import { createWatch } from '../../lib/executors/watch.ts';
import { createWorkspace } from '../../lib/workspace/layout.ts';
import { shortTemporary } from '../helpers/short-temporary.ts';
import type { Bench } from './bench.ts';
import { percentile } from './load.ts';

const run = promisify(execFile);
const rounds = 15;
const image = 'busybox:local';

/** One program in a container: `docker run --rm` beside what the runner does from the grant to the exit. */
export const bench: Bench = {
  name: 'container',
  async run() {
    const host = process.env['TEST_DOCKER_HOST'];
    if (host === undefined) throw new Error(process.env['TEST_DOCKER_HOST_MISSING'] ?? 'there is no dockerd');
    const home = await mkdtemp(join(shortTemporary, 'bench-container-'));
    const executor = createDockerExecutor({
      engine: createEngine(host.replace('unix://', '')),
      journal: createContainerJournal(join(home, 'containers')),
      imageAllow: [],
      network: 'none',
      user: undefined,
      pids: 1024,
      watch: createWatch({ availableBytes: () => Promise.resolve(Infinity), reserveBytes: 0 }),
      owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
      locate: () => undefined,
      runnerEnv: process.env,
      experimentEnv: [],
      terminationGraceMs: 1000,
      kill: new AbortController().signal,
      emit: () => undefined,
      now: Date.now,
    });
    const artifacts = new Map([['_container', { label: '_container', qualified: `dockerhub://${image}` }]]);
    const once = async (number: number): Promise<number> => {
      const workspace = createWorkspace({ home, key: String(number) });
      await writeFile(join(workspace.workspace, 'main.py'), 'echo it ran\n');
      const scope = createScope((what, error) => {
        throw new Error(what, { cause: error });
      });
      const attempt = {
        request: { key: 'k', filename: 'main.py', args: [], env: {}, artifacts },
        workspace,
        grant: { amounts: { cores: 1, memoryBytes: 0, diskBytes: 0 }, gpuUuids: [] },
        identity: { number: 1, accession: `bench-${String(number)}` },
        delivery: { history: [] },
        record: { queue: 'q', attempt: 'a', began: false },
        stagedAtMs: Date.now(),
        document: { set: () => undefined },
        signal: new AbortController().signal,
        scope,
      } as unknown as StagedAttempt;
      const startedAt = performance.now();
      const started = await executor.start({
        ...attempt,
        command: await executor.provision(attempt),
        readyAtMs: Date.now(),
      });
      started.stdout.resume();
      started.stderr.resume();
      const { code } = await started.exit;
      const tookMs = performance.now() - startedAt;
      await scope.close();
      if (code !== 0) throw new Error(`the program ended with ${String(code)}`);
      return tookMs;
    };
    const bare = async (): Promise<number> => {
      const startedAt = performance.now();
      const args = ['run', '--rm', '--network', 'none', image, 'sh', '-c', 'echo it ran'];
      await run('docker', args, { env: { ...process.env, DOCKER_HOST: host } });
      return performance.now() - startedAt;
    };
    try {
      await once(0);
      await bare();
      const [ours, theirs]: [number[], number[]] = [[], []];
      for (let i = 1; i <= rounds; i++) {
        theirs.push(await bare());
        ours.push(await once(i));
      }
      const ratio = percentile(theirs, 50) / percentile(ours, 50);
      const detail = `docker run ${percentile(theirs, 50).toFixed(0)} ms, ours ${percentile(ours, 50).toFixed(0)} ms`;
      return [{ name: 'docker run --rm / ours', measured: ratio, unit: '', reach: '>= 0.9', ok: ratio >= 0.9, detail }];
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  },
};
