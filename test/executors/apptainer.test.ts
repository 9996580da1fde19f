import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { createApptainerExecutor, type ApptainerSettings } from '../../lib/executors/apptainer.ts';
import type { StagedAttempt } from '../../lib/model/attempt.ts';
import { createWatch } from '../../lib/executors/watch.ts';
import { noControlGroups } from '../../lib/resources/cgroups/control-groups.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import { createWorkspace } from '../../lib/workspace/layout.ts';

/** Apptainer itself can't be had for tests: this prints its arguments, each on a line, and two variables. */
const standIn = '#!/bin/sh\nfor one in "$@"; do echo "$one"; done\necho "$STUDIOML_EXPERIMENT $CUDA_VISIBLE_DEVICES"\n';

const scene = (t: Test, request: object, image: object, over: Partial<ApptainerSettings> = {}) => {
  const directory = t.testdir({ store: { 'image.sif': 'the image' }, 'stand-in-for-apptainer': standIn });
  const executable = join(directory, 'stand-in-for-apptainer');
  chmodSync(executable, 0o755);
  const workspace = createWorkspace({ home: directory, key: 'k' });
  mkdirSync(dirname(join(workspace.workspace, 'main.py')), { recursive: true });
  writeFileSync(join(workspace.workspace, 'main.py'), '');
  const artifacts = new Map([['_singularity', { label: '_singularity', ...image }]]);
  const attempt = {
    request: { key: 'k', args: [], env: {}, artifacts, ...request },
    workspace,
    grant: { amounts: { cores: 1, memoryBytes: 0, diskBytes: 0 }, gpuUuids: [] },
    identity: { number: 1 },
    delivery: { history: [] },
    record: { queue: 'q', attempt: 'a', began: false },
    signal: new AbortController().signal,
    stagedAtMs: 0,
  } as unknown as StagedAttempt;
  const executor = createApptainerExecutor({
    executable,
    imageAllow: [],
    locate: () => ({ store: createDirectoryStore({ root: join(directory, 'store') }), key: 'image.sif' }),
    runnerEnv: process.env,
    experimentEnv: [],
    terminationGraceMs: 1000,
    confinement: {
      groups: noControlGroups,
      watch: createWatch({ availableBytes: () => Promise.resolve(Infinity), reserveBytes: 0 }),
    },
    memoryLimit: 'hard',
    kill: new AbortController().signal,
    emit: () => undefined,
    now: Date.now,
    ...over,
  });
  const run = async (of = attempt) => {
    const started = await executor.start({ ...of, command: await executor.provision(of), readyAtMs: Date.now() });
    const said = await text(started.stdout);
    return { lines: said.trimEnd().split('\n'), exit: await started.exit };
  };
  return { executor, attempt, run, root: workspace.root };
};

const sif = { qualified: 's3://host/bucket/image.sif' };

t.test('a program is run by exec (a stand-in for apptainer tells its arguments)', async t => {
  const { run, root, attempt } = scene(t, { filename: 'main.py', args: ['a b', '$HOME'] }, sif);
  const { lines, exit } = await run();
  t.strictSame(lines, [
    ...['exec', '--no-home', '--bind', `${root}:${root}`, '--pwd', `${root}/workspace`],
    ...[`${root}/_runner/image.sif`, 'python3', 'main.py', 'a b', '$HOME'],
    `${root.split('/').at(-1) ?? ''} -1`,
  ]);
  t.match(exit, { code: 0 });
  t.ok(attempt);
});

t.test('an image of shub:// runs its own script, with cards where some are granted (a stand-in)', async t => {
  const { run, root, attempt } = scene(t, { args: ['x'] }, { qualified: 'shub://org/image:1' });
  const grant = { ...attempt.grant, gpuUuids: ['GPU-1'] };
  const { lines } = await run({ ...attempt, grant });
  t.strictSame(lines.slice(0, -1), [
    ...[
      'run',
      '--no-home',
      '--bind',
      `${root}:${root}`,
      '--pwd',
      `${root}/workspace`,
      '--nv',
      'shub://org/image:1',
      'x',
    ],
  ]);
  t.match(lines.at(-1), / GPU-1$/);
});

t.test('where neither apptainer nor singularity is there the request goes back', async t => {
  const { executor, attempt } = scene(t, {}, sif, { executable: undefined });
  await t.rejects(executor.provision(attempt), { code: 'engine-fault', message: /neither is on PATH/ });
});

t.test('it is held within the limits of any program (a stand-in that takes too much)', async t => {
  const { executor, attempt } = scene(t, { filename: 'main.py' }, sif);
  const amounts = { cores: 1, memoryBytes: 0, diskBytes: 1_000_000 };
  const command = await executor.provision(attempt);
  writeFileSync(command.file, '#!/bin/sh\nhead -c 5000000 /dev/zero > much\nsleep 600\n');
  const run = await executor.start({
    ...attempt,
    grant: { ...attempt.grant, amounts },
    command,
    readyAtMs: Date.now(),
  });
  const [, exit] = await Promise.all([text(run.stdout), run.exit]);
  t.match(exit, { stoppedBy: 'out-of-disk', exceeded: { resource: 'disk', limitBytes: 1_000_000 } });
  t.ok((exit.usage?.diskBytes ?? 0) >= 5_000_000);
});

t.test('an image that is not trusted is refused', async t => {
  const { executor, attempt } = scene(t, {}, sif, { imageAllow: ['shub://org/*'] });
  await t.rejects(executor.provision(attempt), { code: 'image-denied', message: /IMAGE_ALLOW/ });
});
