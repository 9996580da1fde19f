/** Images that several attempts want at once, and archives that are none; with a real dockerd. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createEngine } from '../../lib/executors/docker/engine.ts';
import { idOf } from '../../lib/executors/docker/image-names.ts';
import { loadImage } from '../../lib/executors/docker/load-image.ts';
import { pullImage } from '../../lib/executors/docker/pull-image.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import { makeAttempt } from '../helpers/make-attempt.ts';
import { needService } from '../helpers/services.ts';
import { shortTemporary } from '../helpers/short-temporary.ts';

const scene = async (t: Test) => {
  const host = needService(t, 'TEST_DOCKER_HOST');
  if (host === undefined) return undefined;
  const home = mkdtempSync(join(shortTemporary, 'images-'));
  t.teardown(() => {
    rmSync(home, { recursive: true, force: true });
  });
  const env = { ...process.env, DOCKER_HOST: host };
  const docker = (...args: string[]) => execFileSync('docker', args, { env, maxBuffer: 1e8 });
  const engine = await createEngine(host.replace('unix://', '')).connect();
  const store = createDirectoryStore({ root: home });
  const load = (key: string) =>
    loadImage(engine, { store, key }, makeAttempt({ home, artifacts: [] }) as never, () => undefined);
  return { docker, engine, store, load };
};

t.test('attempts that load one archive at once all get its image; its own name is left to nobody', async t => {
  const it = await scene(t);
  const tar = it && needService(t, 'TEST_IMAGE_TAR');
  if (!it || !tar) return;
  const own = `own-${randomBytes(4).toString('hex')}:1`;
  it.docker('import', '-c', `LABEL own=${own}`, tar, own);
  await it.store.put('image.tar', it.docker('save', own));
  const id = await idOf(it.engine.docker, own);
  it.docker('rmi', own);
  const images = await Promise.all(Array.from({ length: 4 }, () => it.load('image.tar')));
  t.strictSame(new Set(images.map(one => one.id)), new Set([id]));
  t.equal(await idOf(it.engine.docker, own), undefined);
});

t.test('attempts that pull one private image at once all get it; nobody else finds it', async t => {
  const it = await scene(t);
  const registry = it && needService(t, 'TEST_REGISTRY_PRIVATE');
  if (!it || !registry) return;
  const { signal } = new AbortController();
  const pull = (password?: string) =>
    pullImage(it.engine, `${registry}/busybox:1`, {
      credentials: password === undefined ? undefined : { type: 'plain', user: 'tester', password },
      signal,
      onProgress: () => undefined,
    });
  const [refused, ...images] = await Promise.all([
    pull().catch((error: unknown) => error),
    ...Array.from({ length: 4 }, () => pull('secret-of-the-registry')),
  ]);
  t.match(refused, { code: 'image-denied' });
  t.equal(new Set(images.map(one => one.id)).size, 1);
  await t.rejects(pull(), { code: 'image-denied' });
});

t.test('what is no image is the fault of the archive, however much of it there is', async t => {
  const it = await scene(t);
  if (!it) return;
  for (const bytes of [15, 100 * 1024, 64 * 2 ** 20]) {
    await it.store.put('noise', randomBytes(bytes));
    await t.rejects(it.load('noise'), { code: 'artifact-invalid' }, String(bytes));
  }
});
