/** Experiments in containers of a real dockerd, through the whole runner. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import Docker from 'dockerode';
import t, { type Test } from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { PipelineScene, type SceneRequest } from '../helpers/pipeline-scene.ts';
import { needService } from '../helpers/services.ts';
import { printedIn } from '../helpers/printed.ts';

const password = 'secret-of-the-registry';

interface Asked extends SceneRequest {
  readonly image: Readonly<Record<string, unknown>>;
  /** The image's own command instead of main.py. */
  readonly own?: boolean;
}

const scene = (t: Test, env: Readonly<Record<string, string>> = {}) => {
  const host = needService(t, 'TEST_DOCKER_HOST');
  if (host === undefined) return undefined;
  const docker = new Docker({ socketPath: host.replace('unix://', '') });
  const runner = new PipelineScene(t, { DOCKER_HOST: host, CONTAINER_NETWORK: 'none', ...env });
  const submit = async ({ image, own, ...more }: Asked): Promise<string> => {
    const { key, body } = await runner.request(more);
    const request = JSON.parse(body) as { experiment: { filename: unknown; artifacts: Record<string, unknown> } };
    request.experiment.artifacts['_container'] = { mutable: false, unpack: false, ...image };
    if (own) request.experiment.filename = null;
    runner.send(JSON.stringify(request));
    return key;
  };
  const containers = async () =>
    (await docker.listContainers({ all: true })).filter(one => one.Labels['studioml.attempt']);
  const isClean = () =>
    eventually(
      async () => {
        assert.deepEqual(await containers(), []);
        assert.deepEqual(runner.leftovers(), []);
      },
      { timeoutMs: 60_000 },
    );
  return { runner, docker, submit, containers, isClean };
};

const local = { image: { qualified: 'dockerhub://busybox:local' } };

t.test('a program runs in its workspace, both streams apart, artifacts beside it', { timeout: 240_000 }, async t => {
  const it = scene(t);
  if (!it) return;
  const program = `echo "here $(pwd | sed 's#.*/##') $1 $OMP_NUM_THREADS"
echo problem >&2
echo '{"experiment": {"loss": 0.5}}'
echo model > ../modeldir/model
exit 3`;
  const key = await it.submit({ ...local, program, args: ['a b'] });
  t.match(await it.runner.settled(key), { settlement: 'reject', cause: 'exited', message: /code 3/ });
  const lines = (await it.runner.output(key)).toString().split('\n');
  t.ok(lines.includes('here workspace a b 1'), lines.join('|'));
  t.ok(lines.includes('problem'));
  t.match(await it.runner.metadata(key), { experiment: { loss: 0.5 }, studioml: { exit_code: 3 } });
  await it.isClean();

  const own = await it.submit({ ...local, own: true });
  t.match(await it.runner.settled(own), { settlement: 'accept', cause: 'completed' });
  t.equal(printedIn((await it.runner.output(own)).toString()), 'the own command of the image\n');
  await it.isClean();
});

t.test('an image is pulled, with credentials where the registry asks for them', { timeout: 240_000 }, async t => {
  const it = scene(t);
  const registry = it && needService(t, 'TEST_REGISTRY');
  const closed = registry && needService(t, 'TEST_REGISTRY_PRIVATE');
  if (!it || !registry || !closed) return;
  const program = 'echo it ran';
  const settled = async (qualified: string, credentials?: object) =>
    it.runner.settled(await it.submit({ program, image: { qualified, ...(credentials ? { credentials } : {}) } }));
  t.match(await settled(`dockerhub://${registry}/busybox:1`), { settlement: 'accept' });
  t.match(await settled(`${registry}/busybox:none`), { settlement: 'reject', cause: 'image-missing' });
  t.match(await settled(`${closed}/busybox:1`), { settlement: 'reject', cause: 'image-denied' });
  const plain = { user: 'tester', password };
  t.match(await settled(`${closed}/busybox:1`, { plain }), { settlement: 'accept' });
  t.match(await settled(`${closed}/busybox:1`, { plain: { ...plain, password: 'wrong' } }), { cause: 'image-denied' });
  t.match(await settled(`${closed}/busybox:1`), { cause: 'image-denied' }, 'what one has pulled is no other one’s');
  t.notOk(JSON.stringify(it.runner.runner.events).includes(password), 'the password is in no event');
  await it.isClean();
});

t.test('archives of docker save and docker export', { timeout: 240_000 }, async t => {
  const it = scene(t);
  const tar = it && needService(t, 'TEST_IMAGE_TAR');
  if (!it || !tar) return;
  const env = { ...process.env, DOCKER_HOST: process.env['TEST_DOCKER_HOST'] };
  const saved = execFileSync('docker', ['save', 'busybox:local'], { env, maxBuffer: 1e8 });
  await it.runner.store.objects.put('images/saved.tar', saved);
  await it.runner.store.objects.put('images/exported.tar', readFileSync(tar));
  await it.runner.store.objects.put('images/broken.tar', Buffer.from('no image at all'));
  const settled = async (name: string) => {
    const key = `images/${name}.tar`;
    const qualified = `file://${it.runner.store.named.endpoint}/storage/${key}`;
    return it.runner.settled(await it.submit({ program: 'echo it ran', image: { key, qualified } }));
  };
  t.match(await settled('saved'), { settlement: 'accept', cause: 'completed' });
  t.match(await settled('exported'), { settlement: 'accept', cause: 'completed' });
  t.match(await it.docker.getImage('busybox:local').inspect(), { Id: String }, 'its own name is what it was');
  t.match(await settled('broken'), { settlement: 'reject', cause: 'artifact-invalid' });
  t.match(await settled('none'), { settlement: 'reject', cause: 'artifact-missing' });
  await it.isClean();
});

t.test('limits, stops and refusals end as what they are', { timeout: 240_000 }, async t => {
  const it = scene(t, { IMAGE_ALLOW: 'busybox:local' });
  if (!it) return;
  const other = await it.submit({ image: { qualified: 'alpine' } });
  t.match(await it.runner.settled(other), { settlement: 'reject', cause: 'image-denied', message: /IMAGE_ALLOW/ });

  const hungry = await it.submit({
    ...local,
    program: 'x=$(dd if=/dev/zero bs=1M count=200 | tr "\\0" x); echo ${#x}; tail /dev/zero',
    resources: { cpus: 1, ram: '32mb', hdd: '128mb' },
  });
  t.match(await it.runner.settled(hungry), { cause: 'out-of-memory' });
  const told = await it.runner.metadata(hungry);
  t.match(told.studioml, {
    failure: { cause: 'out-of-memory', limit_bytes: 32e6, peak_bytes: Number },
    used: { memory_bytes: Number, disk_bytes: Number },
  });

  const full = await it.submit({
    ...local,
    program: 'dd if=/dev/zero of=much bs=1M count=60; sleep 600',
    resources: { cpus: 1, ram: '64mb', hdd: '20mb' },
  });
  t.match(await it.runner.settled(full), { cause: 'out-of-disk' });

  const long = await it.submit({ ...local, program: 'echo begun; sleep 600', maxDuration: '6s' });
  t.match(await it.runner.settled(long), { settlement: 'accept', cause: 'max-duration' });
  t.match((await it.runner.output(long)).toString(), /begun/);

  const deaf = await it.submit({ ...local, program: 'trap "" TERM; while :; do sleep 1; done', maxDuration: '6s' });
  t.match(await it.runner.settled(deaf), { cause: 'max-duration' }, 'SIGKILL after the grace');
  await it.isClean();
});

t.test('a container that a dead runner left is removed by the next', { timeout: 240_000 }, async t => {
  const it = scene(t);
  if (!it) return;
  await it.submit({ ...local, program: 'sleep 600' });
  await it.runner.event(({ event }) => event === 'started');
  t.equal((await it.containers()).length, 1);
  it.runner.runner.signal('SIGKILL');
  await it.runner.runner.exited();
  const next = it.runner.restarted(t);
  await eventually(
    async () => {
      assert.equal((await it.containers()).length, 0);
    },
    { timeoutMs: 60_000 },
  );
  await next.stop();
});

t.test('without an engine requests for containers go back, and others run', { timeout: 120_000 }, async t => {
  const it = scene(t, { DOCKER_HOST: 'unix:///nowhere/docker.sock' });
  if (!it) return;
  const key = await it.submit(local);
  t.match(await it.runner.settled(key), { settlement: 'release', cause: 'engine-fault', message: /DOCKER_HOST/ });
});
