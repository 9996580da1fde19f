/** Podman's socket in the place of Docker's: a run, its output apart, its limits, and nothing left. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import t from 'tap';
import { PipelineScene } from '../helpers/pipeline-scene.ts';
import { needService } from '../helpers/services.ts';
import { shortTemporary } from '../helpers/short-temporary.ts';

const script = join(import.meta.dirname, '../services/podman.sh');

t.test('experiments run in containers of Podman', { timeout: 180_000 }, async t => {
  const image = needService(t, 'TEST_IMAGE_TAR');
  if (image === undefined) return;
  const directory = mkdtempSync(join(shortTemporary, 'podman-'));
  const service = (action: 'start' | 'stop') => {
    const env = { ...process.env, RUNNER_TEST_DIR: directory, IMAGE_TAR: image };
    return execFileSync('bash', [script, action], { env, encoding: 'utf8' });
  };
  t.teardown(() => {
    service('stop');
    rmSync(directory, { recursive: true, force: true });
  });
  const host = /^TEST_PODMAN_HOST=(.*)$/m.exec(service('start'))?.[1] ?? '';
  const docker = new Docker({ socketPath: host.replace('unix://', '') });
  const scene = new PipelineScene(t, { DOCKER_HOST: host, CONTAINER_NETWORK: 'none' });
  const run = async (program: string) => {
    const { key, body } = await scene.request({ program });
    const request = JSON.parse(body) as { experiment: { artifacts: Record<string, unknown> } };
    request.experiment.artifacts['_container'] = { qualified: 'dockerhub://localhost/busybox:local' };
    scene.send(JSON.stringify(request));
    return { key, settled: await scene.settled(key, 120_000) };
  };
  const good = await run('echo out; echo err >&2; echo made > ../modeldir/model');
  t.match(good.settled, { settlement: 'accept', cause: 'completed' });
  const output = (await scene.output(good.key)).toString();
  t.match(output, /^out$/m);
  t.match(output, /^err$/m);
  const failed = await run('exit 7');
  t.match(failed.settled, { cause: 'exited' });
  t.match((await scene.metadata(failed.key)).studioml, { exit_code: 7 });
  t.equal(await scene.runner.stop(), 0);
  t.strictSame(await docker.listContainers({ all: true }), [], 'nothing is left');
  t.strictSame(scene.leftovers(), []);
});
