/** Who works in a container, what he leaves, and what is told of pulls and of the engine; with a real dockerd. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import t, { type Test } from 'tap';
import { takeOver } from '../../lib/executors/docker/owner.ts';
import { eventually } from '../helpers/eventually.ts';
import { startFaultProxy } from '../helpers/fault-proxy.ts';
import { PipelineScene, type SceneRequest } from '../helpers/pipeline-scene.ts';
import { printedIn } from '../helpers/printed.ts';
import { jsonLines, runCommand } from '../helpers/run-command.ts';
import { needService } from '../helpers/services.ts';
import { shortTemporary } from '../helpers/short-temporary.ts';

const scene = (t: Test, host: string, env: Readonly<Record<string, string>> = {}) => {
  const it = new PipelineScene(t, { DOCKER_HOST: host, CONTAINER_NETWORK: 'none', ...env });
  const run = async (program: string, qualified = 'dockerhub://busybox:local', more: SceneRequest = {}) => {
    const { key, body } = await it.request({ program, ...more });
    const request = JSON.parse(body) as { experiment: { artifacts: Record<string, unknown> } };
    request.experiment.artifacts['_container'] = { mutable: false, unpack: false, qualified };
    it.send(JSON.stringify(request));
    const settled = await it.settled(key, 120_000);
    return { settled, printed: printedIn((await it.output(key)).toString()).trim() };
  };
  const isClean = () =>
    eventually(
      () => {
        assert.deepEqual(it.leftovers(), []);
      },
      { timeoutMs: 60_000 },
    );
  return { it, run, isClean };
};

t.test('CONTAINER_USER works on its own files, and is nobody else', { timeout: 240_000 }, async t => {
  const host = needService(t, 'TEST_DOCKER_HOST');
  if (host === undefined) return;
  const { run, isClean } = scene(t, host, { CONTAINER_USER: '4321:4322' });
  const { settled, printed } = await run('echo "$(id -u) $(id -g)"; echo made > made; echo model > ../modeldir/model');
  t.match(settled, { cause: 'completed' }, printed);
  t.equal(printed, '4321 4322');
  await isClean();
});

t.test('what other users leave in the directories goes with them', { timeout: 240_000 }, async t => {
  const host = needService(t, 'TEST_DOCKER_HOST');
  if (host === undefined) return;
  const { run, isClean } = scene(t, host, { CONTAINER_USER: 'image' });
  const program = `mkdir -p ../modeldir/deep/er; echo x > ../modeldir/deep/er/file
chown -R 4321:4322 ../modeldir/deep; chmod 000 ../modeldir/deep; echo left`;
  t.match(await run(program), { settled: { cause: 'completed' }, printed: 'left' });
  await isClean();

  // A runner that is not root could neither read nor remove them.
  const root = mkdtempSync(join(shortTemporary, 'runner-owner-'));
  t.teardown(() => {
    rmSync(root, { recursive: true, force: true });
  });
  mkdirSync(join(root, 'deep'));
  writeFileSync(join(root, 'deep/file'), '');
  for (const path of ['deep/file', 'deep']) chownSync(join(root, path), 4321, 4322);
  const docker = new Docker({ socketPath: host.replace('unix://', '') });
  await takeOver(docker, 'busybox:local', root, { uid: 1234, gid: 1235 });
  t.match(statSync(join(root, 'deep/file')), { uid: 1234, gid: 1235 });
});

t.test('a pull tells how far it is; the engine is told of by runner check', { timeout: 240_000 }, async t => {
  const host = needService(t, 'TEST_DOCKER_HOST');
  const registry = host && needService(t, 'TEST_REGISTRY');
  const tar = registry && needService(t, 'TEST_IMAGE_TAR');
  if (!host || !registry || !tar) return;
  const directory = mkdtempSync(join(shortTemporary, 'runner-image-'));
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  // Another layer than any that the engine has.
  const image = `large-${randomBytes(4).toString('hex')}:1`;
  const pushed = `${registry}/${image}`;
  writeFileSync(join(directory, 'noise'), randomBytes(8 * 2 ** 20));
  writeFileSync(join(directory, 'Dockerfile'), 'FROM busybox:local\nCOPY noise /noise\n');
  const env = { ...process.env, DOCKER_HOST: host, DOCKER_CONFIG: directory, DOCKER_BUILDKIT: '0' };
  const docker = (...args: string[]) => execFileSync('docker', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  docker('build', '-q', '-t', pushed, directory);
  docker('push', '-q', pushed);
  docker('rmi', pushed);
  // The engine passes on no numbers of a layer that comes quicker than it tells of.
  const slow = await startFaultProxy(`http://${registry}`);
  t.teardown(() => slow.close());
  slow.decide = () => ({ bytesPerSecond: 4 * 2 ** 20 });
  const name = `${new URL(slow.endpoint).host}/${image}`;
  const { it, run } = scene(t, host);
  t.match(await run('echo it ran', name), { settled: { cause: 'completed' }, printed: 'it ran' });
  const pulls = it.runner.events.filter(({ event }) => event === 'image-pulling');
  t.match(pulls[0], { image: name, doneBytes: Number, totalBytes: Number });
  docker('rmi', name);

  const checks = await runCommand(['check', '--json'], {
    DOCKER_HOST: host,
    QUEUE_ROOT: directory,
    WORKING_DIR: directory,
  });
  const engine = jsonLines<{ check: string }>(checks).find(({ check }) => check === 'container engine');
  t.match(engine, { status: 'ok', found: /^version \S+ answers$/ });
});
