import t, { type Test } from 'tap';
import { createEngine } from '../../../lib/executors/docker/engine.ts';
import { pullImage } from '../../../lib/executors/docker/pull-image.ts';
import type { Credentials } from '../../../lib/model/experiment.ts';
import { startFakeEngine } from '../../helpers/fake-engine.ts';

const reference = 'registry:5000/team/image:1';
const plain: Credentials = { type: 'plain', user: 'u', password: 'p' };

const scene = async (t: Test) => {
  const fake = await startFakeEngine(t);
  const engine = await createEngine(fake.socketPath).connect();
  const { signal } = new AbortController();
  const pull = (credentials?: Credentials) =>
    pullImage(engine, reference, { credentials, signal, onProgress: () => undefined });
  const pulls = () => fake.seen.filter(line => line === 'POST /images/create').length;
  return { fake, pull, pulls };
};

t.test('attempts with the same private image pull it once, and nobody finds it without credentials', async t => {
  const { fake, pull, pulls } = await scene(t);
  const images = await Promise.all([pull(plain), pull(plain), pull(plain)]);
  t.match(images, [{ id: 'pulled' }, { id: 'pulled' }, { id: 'pulled' }]);
  t.equal(pulls(), 1);
  t.notOk(fake.names.has(reference));
});

t.test('a request without credentials asks the registry itself while others pull with theirs', async t => {
  const { pull, pulls } = await scene(t);
  await Promise.all([pull(plain), pull(), pull({ ...plain, user: 'another' }), pull()]);
  t.equal(pulls(), 3);
});

t.test('a name that stood for an image before does so again, whatever is pulled with credentials', async t => {
  const { fake, pull } = await scene(t);
  fake.names.set(reference, 'older');
  t.match(await pull(plain), { name: /^studioml-runner\/private:/, id: 'pulled' });
  t.match(await pull(), { name: reference, id: 'older' });
});

t.test('a name that another runner takes away meanwhile is pulled again', async t => {
  const { fake, pull, pulls } = await scene(t);
  fake.answer = line => {
    if (line.endsWith('/tag') && pulls() === 1) fake.names.delete(reference);
    return false;
  };
  t.match(await pull(plain), { id: 'pulled' });
  t.equal(pulls(), 2);
});

t.test('an engine that goes away while it names an image is at fault', async t => {
  const { fake, pull } = await scene(t);
  fake.answer = (line, response) => {
    if (line.endsWith('/tag')) response.destroy();
    return line.endsWith('/tag');
  };
  await t.rejects(pull(plain), { code: 'engine-fault' });
});
