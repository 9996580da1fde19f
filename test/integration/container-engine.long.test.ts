/** A container engine that is restarted, or hangs, while an experiment runs in it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import t, { type Test } from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';
import { needService } from '../helpers/services.ts';
import { shortTemporary } from '../helpers/short-temporary.ts';

const script = join(import.meta.dirname, '../services/docker.sh');

/** An experiment that runs in an engine of its own, since others use the one that all tests share. */
const running = async (t: Test) => {
  if (needService(t, 'TEST_DOCKER_HOST') === undefined) return undefined;
  // A socket's path has to be short.
  const directory = mkdtempSync(join(shortTemporary, 'engine-'));
  const service = (action: 'start' | 'stop') =>
    execFileSync('bash', [script, action], { env: { ...process.env, RUNNER_TEST_DIR: directory }, encoding: 'utf8' });
  t.teardown(() => {
    service('stop');
    rmSync(directory, { recursive: true, force: true });
  });
  const host = /^TEST_DOCKER_HOST=(.*)$/m.exec(service('start'))?.[1] ?? '';
  const docker = new Docker({ socketPath: host.replace('unix://', '') });
  const scene = new PipelineScene(t, { DOCKER_HOST: host, CONTAINER_NETWORK: 'none' });
  const { key, body } = await scene.request({ program: 'echo begun; sleep 600' });
  const request = JSON.parse(body) as { experiment: { artifacts: Record<string, unknown> } };
  request.experiment.artifacts['_container'] = { qualified: 'dockerhub://busybox:local' };
  scene.send(JSON.stringify(request));
  await scene.event(({ event }) => event === 'started');
  const [pid] = readFileSync(join(directory, 'dockerd.pid'), 'utf8').split(' ');
  return { scene, docker, service, key, pid: Number(pid) };
};

t.test('the run ends as a fault of the engine, given back and not counted', { timeout: 300_000 }, async t => {
  const it = await running(t);
  if (!it) return;
  const { scene, docker, service, key, pid } = it;
  process.kill(pid, 'SIGTERM');
  await eventually(
    () => {
      assert.throws(() => process.kill(pid, 0));
    },
    { timeoutMs: 60_000 },
  );
  service('start');
  t.match(await scene.settled(key, 120_000), { settlement: 'release', cause: 'engine-fault' });
  await scene.runner.stop();
  const left = await docker.listContainers({ all: true });
  t.strictSame(
    left.map(({ Names }) => Names),
    [],
  );
});

t.test('an engine that hangs holds neither the attempt nor a runner that stops', { timeout: 300_000 }, async t => {
  const it = await running(t);
  if (!it) return;
  const { scene, key, pid } = it;
  process.kill(pid, 'SIGSTOP');
  scene.runner.signal('SIGTERM');
  try {
    t.match(await scene.settled(key, 200_000), { settlement: 'release', cause: 'engine-fault' });
    await scene.runner.exited();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
});
