import { rm } from 'node:fs/promises';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createEngine } from '../../../lib/executors/docker/engine.ts';
import { loadImage } from '../../../lib/executors/docker/load-image.ts';
import { createDirectoryStore } from '../../../lib/storage/directory.ts';
import { startFakeEngine } from '../../helpers/fake-engine.ts';
import { makeAttempt } from '../../helpers/make-attempt.ts';
import { shortTemporary } from '../../helpers/short-temporary.ts';

const scene = async (t: Test, archive?: string) => {
  const fake = await startFakeEngine(t);
  const home = mkdtempSync(join(shortTemporary, 'load-'));
  t.teardown(() => rm(home, { recursive: true, force: true }));
  const store = createDirectoryStore({ root: home });
  const engine = await createEngine(fake.socketPath).connect();
  const load = async (key = 'image', signal = new AbortController().signal) => {
    await store.put(key, Buffer.from(archive ?? `python:3.11=id-of-${key}`));
    const attempt = makeAttempt({ home, artifacts: [], signal });
    return loadImage(engine, { store, key }, attempt as never, () => undefined);
  };
  const loads = () => fake.seen.filter(line => line === 'POST /images/load').length;
  return { fake, load, loads };
};

t.test('attempts that want the same archive at once load it once, and take no name from anybody', async t => {
  const { fake, load, loads } = await scene(t);
  await load('first');
  fake.names.set('python:3.11', 'python');
  const ids = (await Promise.all([load(), load(), load()])).map(({ id }) => id);
  t.strictSame(ids, ['id-of-image', 'id-of-image', 'id-of-image']);
  t.equal(loads(), 2);
  t.equal(fake.names.get('python:3.11'), 'python');
});

t.test('archives that bring the same name at once are each what they are', async t => {
  const { fake, load } = await scene(t);
  const ids = (await Promise.all([load('a'), load('b'), load('c')])).map(({ id }) => id);
  t.strictSame(ids, ['id-of-a', 'id-of-b', 'id-of-c']);
  t.notOk(fake.names.has('python:3.11'));
});

t.test('what another runner takes away before it has its name is loaded again', async t => {
  const { fake, load, loads } = await scene(t);
  let most = 1;
  fake.answer = line => {
    if (line.endsWith('/tag') && loads() <= most) fake.names.delete('python:3.11');
    return false;
  };
  t.match(await load(), { id: 'id-of-image' });
  t.equal(loads(), 2);
  most = Infinity;
  await t.rejects(load('another'), { code: 'engine-fault', message: /taken away/ });
});

for (const at of ['GET /images/json', 'POST /images/load', 'POST /images/python:3.11/tag', 'POST /images/create'])
  t.test(`an engine that goes away at ${at} says nothing of the archive`, async t => {
    const { fake, load } = await scene(t, at.endsWith('create') ? 'no image' : undefined);
    fake.answer = (line, response) => {
      if (line === at) response.destroy();
      return line === at;
    };
    await t.rejects(load(), { code: 'engine-fault', message: /container engine/ });
  });

for (const [said, code] of [
  ['write /var/lib/docker/tmp/1/layer.tar: no space left on device', 'engine-fault'],
  ['archive/tar: invalid tar header', 'artifact-invalid'],
] as const)
  t.test(`an engine that says ${said} makes an ${code}`, async t => {
    const { fake, load } = await scene(t);
    fake.answer = (line, response) => {
      if (line !== 'POST /images/load' && line !== 'POST /images/create') return false;
      response.end(`${JSON.stringify({ error: said })}\n`);
      return true;
    };
    await t.rejects(load(), { code });
  });

t.test('an attempt that ends leaves an engine that keeps silent', async t => {
  const { fake, load } = await scene(t);
  const stop = new AbortController();
  fake.answer = line => {
    if (line === 'POST /images/load') stop.abort(new Error('it ends'));
    return line === 'POST /images/load';
  };
  await t.rejects(load('image', stop.signal), { message: 'it ends' });
});
