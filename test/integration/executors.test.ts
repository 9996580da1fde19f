/** The contract of executors: the Python of this machine, and a real dockerd. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createDockerExecutor } from '../../lib/executors/docker/docker.ts';
import { createEngine } from '../../lib/executors/docker/engine.ts';
import { createContainerJournal } from '../../lib/executors/docker/journal.ts';
import { createEnvironments } from '../../lib/executors/environments/environments.ts';
import { findInterpreters } from '../../lib/executors/interpreters.ts';
import { createVirtualEnvironmentExecutor } from '../../lib/executors/virtual-environment.ts';
import { createWatch } from '../../lib/executors/watch.ts';
import { openControlGroups } from '../../lib/resources/cgroups/control-groups.ts';
import { executorContract, type Programs } from '../contracts/executor.ts';
import { needService } from '../helpers/services.ts';
import { shortTemporary } from '../helpers/short-temporary.ts';

const found = findInterpreters();
const settings = (t: Test) => {
  const home = mkdtempSync(join(shortTemporary, 'runner-executors-'));
  const kill = new AbortController();
  t.teardown(() => {
    kill.abort();
    rmSync(home, { recursive: true, force: true });
  });
  const shared = { runnerEnv: process.env, experimentEnv: ['PATH'], terminationGraceMs: 500, kill: kill.signal };
  return { home, shared: { ...shared, emit: () => undefined, now: Date.now } };
};

const python: Programs = {
  streams: 'import sys\nprint("out")\nprint("err", file=sys.stderr)\nsys.exit(3)',
  tells:
    'import os, sys\nfor one in sys.argv[1:]: print(one)\nprint(os.environ["ASKED"])\nprint(os.path.basename(os.getcwd()))',
  writes: 'open("../modeldir/model", "w").write("made")',
  waits:
    'import subprocess, time\nsubprocess.Popen(["sleep", "600"], start_new_session=True)\nprint("begun")\ntime.sleep(600)',
  deaf: 'import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint("begun")\ntime.sleep(600)',
};
executorContract(t, 'virtual environment', async t => {
  const { home, shared } = settings(t);
  const groups = await openControlGroups({ endLeftovers: false });
  t.teardown(() => groups.close());
  const directory = join(home, 'environments');
  const environments = createEnvironments({
    directory,
    limitBytes: Infinity,
    uv: undefined,
    runsMayWrite: true,
    emit: () => undefined,
  });
  const watch = createWatch({ availableBytes: () => Promise.resolve(Infinity), reserveBytes: 0 });
  const executor = createVirtualEnvironmentExecutor({
    ...shared,
    environments,
    findInterpreters: () => found,
    confinement: { groups, watch },
    memoryLimit: 'soft',
  });
  return { executor, programs: python, home };
});

const shell: Programs = {
  streams: 'echo out\necho err >&2\nexit 3',
  tells: 'for one; do echo "$one"; done\necho "$ASKED"\nbasename "$(pwd)"',
  writes: 'echo made > ../modeldir/model',
  waits: 'setsid sleep 600 &\necho begun\nsleep 600',
  deaf: 'trap "" TERM\necho begun\nwhile :; do sleep 1; done',
};
executorContract(t, 'docker', t => {
  const host = needService(t, 'TEST_DOCKER_HOST');
  if (host === undefined) return Promise.resolve(undefined);
  const { home, shared } = settings(t);
  const executor = createDockerExecutor({
    ...shared,
    engine: createEngine(host.replace('unix://', '')),
    journal: createContainerJournal(join(home, 'containers')),
    imageAllow: [],
    network: 'none',
    user: undefined,
    pids: 1024,
    watch: createWatch({ availableBytes: () => Promise.resolve(Infinity), reserveBytes: 0 }),
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    locate: () => undefined,
  });
  const artifacts = new Map([['_container', { label: '_container', qualified: 'dockerhub://busybox:local' }]]);
  return Promise.resolve({ executor, programs: shell, home, artifacts });
});
