import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { json, text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { createEnvironments } from '../../lib/executors/environments/environments.ts';
import { findInterpreters } from '../../lib/executors/interpreters.ts';
import {
  createVirtualEnvironmentExecutor,
  type VirtualEnvironmentSettings,
} from '../../lib/executors/virtual-environment.ts';
import { createWatch } from '../../lib/executors/watch.ts';
import type { Run, StagedAttempt } from '../../lib/model/attempt.ts';
import { noControlGroups } from '../../lib/resources/cgroups/control-groups.ts';
import { createWorkspace } from '../../lib/workspace/layout.ts';

const found = findInterpreters();
const plenty = () => Promise.resolve(Infinity);

const executor = (t: Test, over: Partial<VirtualEnvironmentSettings> = {}) => {
  const kill = new AbortController();
  t.teardown(() => {
    kill.abort();
  });
  return createVirtualEnvironmentExecutor({
    environments: createEnvironments({
      directory: join(t.testdirName, 'environments'),
      limitBytes: Infinity,
      uv: '/nowhere/uv',
      runsMayWrite: true,
      emit: () => undefined,
    }),
    findInterpreters: () => found,
    runnerEnv: process.env,
    experimentEnv: ['PATH'],
    terminationGraceMs: 5000,
    confinement: { groups: noControlGroups, watch: createWatch({ availableBytes: plenty, reserveBytes: 0 }) },
    memoryLimit: 'soft',
    kill: kill.signal,
    emit: () => undefined,
    now: Date.now,
    ...over,
  });
};

const attempt = (t: Test, request: object, files: Readonly<Record<string, string>> = {}) => {
  const workspace = createWorkspace({ home: t.testdir(), key: 'k' });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(workspace.workspace, name), content);
  const set = new Map<string, unknown>();
  const staged = {
    request: { key: 'k', args: [], requirements: [], extraRequirements: [], env: {}, artifacts: new Map(), ...request },
    workspace,
    grant: { amounts: { cores: 1, memoryBytes: 0, diskBytes: 0 }, gpuUuids: [] },
    identity: { number: 1 },
    delivery: { history: [] },
    record: { queue: 'q', attempt: 'a', began: false },
    stagedAtMs: Date.now(),
    document: { set: (member: string, value: unknown) => set.set(member, value) },
    signal: new AbortController().signal,
  } as unknown as StagedAttempt;
  return { staged, set };
};

const run = async (one: ReturnType<typeof executor>, staged: StagedAttempt): Promise<Run> =>
  one.start({ ...staged, command: await one.provision(staged), readyAtMs: Date.now() });

t.test('a program runs in its workspace, in an environment of its own, with its arguments', async t => {
  const program = `import json, os, sys
print(json.dumps({"argv": sys.argv, "cwd": os.getcwd(), "prefix": sys.prefix, "env": os.environ["VIRTUAL_ENV"]}))`;
  const { staged, set } = attempt(t, { filename: 'main.py', args: ['a b', '$HOME', ';'] }, { 'main.py': program });
  const started = await run(executor(t), staged);
  const { workspace, runner } = staged.workspace;
  t.strictSame(await json(started.stdout), {
    argv: ['main.py', 'a b', '$HOME', ';'],
    cwd: workspace,
    prefix: join(runner, 'env'),
    env: join(runner, 'env'),
  });
  t.match(await started.exit, { code: 0 });
  t.strictSame(set.get('pipdeptree'), []);
});

t.test('the environment sees no packages of the machine', async t => {
  const { staged } = attempt(t, { filename: 'main.py' }, { 'main.py': 'import sys\nprint("\\n".join(sys.path))' });
  const paths = (await text((await run(executor(t), staged)).stdout)).split('\n');
  const own = join(staged.workspace.runner, 'env');
  t.strictSame(
    paths.filter(path => /(site|dist)-packages/.test(path) && !path.startsWith(own)),
    [],
  );
});

t.test('-m runs a module', async t => {
  const { staged } = attempt(
    t,
    { filename: '-m', args: ['tool', 'x'] },
    { 'tool.py': 'import sys; print(sys.argv[1])' },
  );
  t.equal(await text((await run(executor(t), staged)).stdout), 'x\n');
});

t.test('a file whose name begins with a dash is a file', async t => {
  const { staged } = attempt(t, { filename: '-c' }, { '-c': 'print("file")' });
  t.equal(await text((await run(executor(t), staged)).stdout), 'file\n');
});

for (const filename of ['../escape.py', '/etc/passwd', 'a/../../x.py', '..', '', 'missing.py', '.'])
  t.test(`the program ${JSON.stringify(filename)} is refused`, async t => {
    const { staged } = attempt(t, { filename });
    await t.rejects(executor(t).provision(staged), { code: 'no-such-program', where: { filename } });
  });

t.test('a Python that is not there is named, and looked for again only after a while', async t => {
  let looks = 0;
  let nowMs = 1e12;
  const one = executor(t, {
    now: () => nowMs,
    findInterpreters: () => Promise.resolve((looks += 1) < 3 ? [] : [{ path: '/py', version: '3.4.1', hasPip: false }]),
  });
  const wants = () => attempt(t, { filename: 'main.py', pythonVersion: '3.4' }, { 'main.py': '' }).staged;
  await t.rejects(one.provision(wants()), { code: 'no-interpreter', message: /3\.4/ });
  await t.rejects(one.provision(wants()), { code: 'no-interpreter' });
  t.equal(looks, 1);
  nowMs += 30_000;
  await t.rejects(one.provision(wants()), { code: 'no-interpreter' });
  t.equal(looks, 2);
  nowMs += 30_000;
  await one.provision(wants());
  t.equal(looks, 3, 'one that was installed meanwhile is found');
});

const sleeps = { 'main.py': 'import time; time.sleep(600)' };
const limits: readonly [string, object][] = [
  ['max_duration', { maxDurationMs: 50 }],
  ["what is left of the experiment's lifetime", { timeAddedSeconds: Date.now() / 1000 - 100, lifetimeMs: 100_050 }],
];
for (const [title, request] of limits)
  t.test(`a run is stopped after ${title}`, async t => {
    const { staged } = attempt(t, { filename: 'main.py', ...request }, sleeps);
    t.match(await (await run(executor(t), staged)).exit, { stoppedBy: 'max-duration' });
  });

t.test('an installer that can not be run is an error of the environment', async t => {
  const { staged } = attempt(t, { filename: 'main.py', requirements: ['six'] }, { 'main.py': '' });
  await t.rejects(executor(t).provision(staged), { code: 'environment', message: /installer/ });
});

const asked = (labels: readonly string[], requirements: readonly string[] = []) =>
  ({ artifacts: new Map(labels.map(label => [label, {}])), requirements, extraRequirements: [] }) as never;

t.test('a request with a container is for another executor', t => {
  const accepts = (...labels: string[]) => executor(t).accepts(asked(labels));
  t.ok(accepts('workspace'));
  t.notOk(accepts('workspace', '_container'));
  t.notOk(accepts('workspace', '_singularity'));
  t.notOk(accepts('output'));
  t.end();
});

t.test('a request with requirements and nothing to run is one to make their environment', t => {
  t.ok(executor(t).accepts(asked(['output'], ['six'])));
  t.notOk(executor(t).accepts(asked(['output', '_container'], ['six'])));
  t.end();
});
