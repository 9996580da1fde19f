/** Large objects that a thread receives over TLS, from a real S3 server. */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import t from 'tap';
import { readS3Tls } from '../../lib/storage/s3/tls.ts';
import { createEventBus } from '../../lib/telemetry/events.ts';
import { startFaultProxy } from '../helpers/fault-proxy.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';
import { poured } from '../helpers/poured.ts';
import { behindCertificates, needTls } from '../helpers/s3-tls.ts';
import { tarOf } from '../helpers/tars.ts';

const MiB = 2 ** 20;
const { emit } = createEventBus();

for (const [words, size] of [
  ['at once', 9 * MiB],
  ['in parts', 20 * MiB],
] as const) {
  t.test(`an object stored ${words} arrives over TLS, at the pace of its reader`, async t => {
    const there = await needTls(t);
    if (!there) return;
    const { place, endpoint, file } = there;
    const bytes = randomBytes(size);
    await place.open().put('large', Readable.from([bytes], { objectMode: false }));
    const tls = readS3Tls({ s3Ca: file('ca.crt'), s3Cert: undefined, s3Key: undefined });
    const store = place.open({ endpoint, tls });
    for (const how of [{}, { capacity: 128 * 1024, pauseMs: 1 }]) {
      const got = await poured(store, 'large', { emit, ...how });
      t.ok(got.bytes.equals(bytes));
      t.equal(got.told, size);
      t.equal(got.gets, 1, 'by the thread');
    }
  });
}

t.test('the thread shows the certificate of S3_CERT, and goes on over another connection', async t => {
  const there = await needTls(t);
  if (!there) return;
  const { place, file } = there;
  const bytes = randomBytes(9 * MiB);
  await place.open().put('large', bytes);
  const proxy = await startFaultProxy(place.endpoint);
  t.teardown(() => proxy.close());
  const endpoint = await behindCertificates(t, new URL(proxy.endpoint), file);
  const tls = readS3Tls({ s3Ca: file('ca.crt'), s3Cert: file('client.crt'), s3Key: file('client.key') });
  proxy.decide = () => (proxy.seen.length === 1 ? { cutAfterBytes: 3 * MiB } : 'pass');
  const got = await poured(place.open({ endpoint, tls }), 'large', { emit });
  t.ok(got.bytes.equals(bytes));
  t.equal(got.gets, 1, 'by the thread');
  t.match(proxy.seen, [{}, { fault: { cutAfterBytes: 3 * MiB } }, { range: /^bytes=\d{6,}-$/ }]);
});

t.test(
  "where a server with TLS resets its connections the thread leaves the object to the store's own client",
  async t => {
    const there = await needTls(t);
    if (!there) return;
    const { place, file } = there;
    const bytes = randomBytes(9 * MiB);
    await place.open().put('large', bytes);
    const proxy = await startFaultProxy(place.endpoint);
    t.teardown(() => proxy.close());
    const endpoint = await behindCertificates(t, new URL(proxy.endpoint), file);
    const tls = readS3Tls({ s3Ca: file('ca.crt'), s3Cert: file('client.crt'), s3Key: file('client.key') });
    proxy.decide = ({ headers }) => (headers.connection === 'close' ? 'reset' : 'pass');
    const got = await poured(place.open({ endpoint, tls }), 'large', { emit });
    t.ok(got.bytes.equals(bytes));
    t.equal(got.gets, 2);
  },
);

t.test('a runner with S3_CA, S3_CERT and S3_KEY brings large artifacts in', { timeout: 90_000 }, async t => {
  const there = await needTls(t);
  if (!there) return;
  const { place, file } = there;
  const endpoint = await behindCertificates(t, new URL(place.endpoint), file);
  const { accessKey, secretAccessKey } = place.credentials;
  const credentials = { aws: { access_key: accessKey, secret_access_key: secretAccessKey } };
  const named = { endpoint, bucket: place.bucket, databaseBucket: place.bucket, credentials };
  const env = { S3_CA: file('ca.crt'), S3_CERT: file('client.crt'), S3_KEY: file('client.key') };
  const scene = new PipelineScene(t, env, { named, objects: place.open() });
  const content = randomBytes(9 * MiB).toString('hex');
  const program = `
import pathlib
print('it has', len(pathlib.Path('large').read_text()))
`;
  const workspace = await tarOf({ name: 'main.py', content: program }, { name: 'large', content });
  const key = await scene.submit({ workspace, resources: { cpus: 1, gpus: 0, ram: '128mb', hdd: '100mb' } });
  t.match(await scene.settled(key), { settlement: 'accept', cause: 'completed' });
  t.match((await scene.output(key)).toString(), new RegExp(`it has ${String(18 * MiB)}`));
  t.equal(await scene.runner.stop(), 0);
});
