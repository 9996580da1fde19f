import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import t from 'tap';
import { resuming } from '../../lib/storage/resuming.ts';
import { objectStoreContract } from '../contracts/object-store.ts';
import { startFaultProxy } from '../helpers/fault-proxy.ts';
import { needGcs, serviceAccount } from '../helpers/gcs.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';

const server = await needGcs(t);
if (server !== undefined) {
  objectStoreContract(t, async t => {
    const own = await needGcs(t);
    if (!own) throw new Error('the server went away');
    return own.open();
  });

  t.test('a service account signs what it asks', async t => {
    const { json, isSigned } = serviceAccount();
    const proxy = await startFaultProxy(server.endpoint);
    t.teardown(() => proxy.close());
    const shown = new Set<string | undefined>();
    proxy.decide = ({ headers }) => {
      shown.add(headers.authorization);
      return 'pass';
    };
    const store = server.open({ endpoint: proxy.endpoint, credentials: { type: 'service-account', json } });
    await store.put('k', Buffer.from('x'));
    t.equal((await buffer((await store.get('k')).body)).toString(), 'x');
    t.equal(proxy.seen.length, 2, 'one call each');
    t.ok([...shown].every(isSigned));
  });

  t.test('an account that Google does not know is denied', async t => {
    const { json } = serviceAccount();
    const refused = JSON.stringify({ ...(JSON.parse(json) as object), private_key: 'no key at all' });
    const store = server.open({ credentials: { type: 'service-account', json: refused } });
    await t.rejects(store.get('k'), { name: 'StoreError', code: 'denied' });
  });

  t.test('an object that is cut off goes on where it stopped', async t => {
    const proxy = await startFaultProxy(server.endpoint);
    t.teardown(() => proxy.close());
    const bytes = randomBytes(3 * 2 ** 20);
    await server.open().put('large', bytes);
    let gets = 0;
    proxy.decide = () => (++gets < 3 ? { cutAfterBytes: 2 ** 20 } : 'pass');
    const store = server.open({ endpoint: proxy.endpoint });
    const place = resuming({ store, key: 'large' }, { emit: () => undefined, about: {}, artifact: 'data' });
    const got = await buffer((await place.store.get('large')).body);
    t.equal(createHash('md5').update(got).digest('hex'), createHash('md5').update(bytes).digest('hex'));
    t.match(
      proxy.seen.map(({ range }) => range),
      [undefined, /bytes=\d{6,}-/, /bytes=\d{6,}-/],
    );
  });

  t.test('a bucket that is not there is missing, a server that is down unavailable', async t => {
    await t.rejects(server.open({ bucket: 'no-such-bucket' }).get('k'), { code: 'missing' });
    await t.rejects(server.open({ endpoint: 'http://127.0.0.1:1' }).get('k'), { code: 'unavailable' });
  });

  t.test(
    'an experiment whose artifacts are on gs:// runs, with the default credentials of the runner',
    { timeout: 90_000 },
    async t => {
      const { json } = serviceAccount();
      const file = join(t.testdir(), 'account.json');
      writeFileSync(file, json);
      const scene = new PipelineScene(t, {
        STORAGE_EMULATOR_HOST: server.endpoint,
        ALLOW_RUNNER_CREDENTIALS: 'true',
        GOOGLE_APPLICATION_CREDENTIALS: file,
        FILE_ROOTS: '/',
      });
      const { key, body } = await scene.request({});
      const request = JSON.parse(body) as {
        experiment: { artifacts: Record<string, { qualified: string; key: string; credentials?: object }> };
      };
      const objects = server.open();
      for (const [label, artifact] of Object.entries(request.experiment.artifacts)) {
        artifact.qualified = `gs://${server.bucket}/${artifact.key}`;
        // Both ways to be let in.
        if (label === 'workspace') artifact.credentials = { jwt: { token: json } };
      }
      await objects.put(
        `workspaces/${key}.tar`,
        await buffer((await scene.store.objects.get(`workspaces/${key}.tar`)).body),
      );
      scene.send(JSON.stringify(request));
      t.match(await scene.settled(key), { settlement: 'accept', cause: 'completed' });
      const output = await buffer((await objects.get(`experiments/${key}/output.tar`)).body);
      t.match(output.toString(), /it ran/);
      t.equal(await scene.runner.stop(), 0);
    },
  );
}
