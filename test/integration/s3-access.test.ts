/** Ways to be let in by a real S3 server: TLS, certificates, keys of every origin, none at all. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { withAnonymousFallback } from '../../lib/storage/anonymous-fallback.ts';
import { readS3Tls } from '../../lib/storage/s3/tls.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';
import { needS3 } from '../helpers/s3.ts';
import { behindCertificates, needTls } from '../helpers/s3-tls.ts';

const read = async (store: ReturnType<NonNullable<Awaited<ReturnType<typeof needS3>>>['open']>, key = 'k') =>
  text((await store.get(key)).body);

t.test('a server with TLS is believed when S3_CA has its authority, and not without', async t => {
  const there = await needTls(t);
  if (!there) return;
  const { place, endpoint, file } = there;
  const tls = readS3Tls({ s3Ca: file('ca.crt'), s3Cert: undefined, s3Key: undefined });
  const store = place.open({ endpoint, tls });
  await store.put('k', Buffer.from('over TLS'));
  t.equal(await read(store), 'over TLS');
  await t.rejects(place.open({ endpoint }).get('k'), { name: 'StoreError', message: /certificate/ });
});

t.test('a server that asks for a certificate gets that of S3_CERT', async t => {
  const there = await needTls(t);
  if (!there) return;
  const { place, file } = there;
  await place.open().put('k', Buffer.from('for those who are known'));
  const endpoint = await behindCertificates(t, new URL(place.endpoint), file);
  const files = { s3Ca: file('ca.crt'), s3Cert: file('client.crt'), s3Key: file('client.key') };
  t.equal(await read(place.open({ endpoint, tls: readS3Tls(files) })), 'for those who are known');
  const nobody = readS3Tls({ ...files, s3Cert: undefined, s3Key: undefined });
  await t.rejects(place.open({ endpoint, tls: nobody }).get('k'), { name: 'StoreError' });
});

t.test('public data is read without keys, and with keys that are not let in', async t => {
  const place = await needS3(t);
  if (!place) return;
  await place.open().put('k', Buffer.from('for everybody'));
  await place.publish();
  const anonymous = place.open({ credentials: { type: 'anonymous' } });
  t.equal(await read(anonymous), 'for everybody');
  const wrong = place.open({ credentials: { ...place.credentials, secretAccessKey: 'guessed-secret' } });
  await t.rejects(wrong.get('k'), { code: 'denied' });
  t.equal(await read(withAnonymousFallback(wrong, () => anonymous)), 'for everybody');
});

t.test("the runner's own keys are looked for anew when they are no longer let in", async t => {
  const place = await needS3(t);
  if (!place) return;
  const { accessKey, secretAccessKey } = place.credentials;
  const file = join(t.testdir(), 'credentials');
  const write = (id: string) =>
    writeFileSync(file, `[default]\naws_access_key_id = ${id}\naws_secret_access_key = ${secretAccessKey}\n`);
  t.intercept(process, 'env', {
    value: { ...process.env, AWS_SHARED_CREDENTIALS_FILE: file, AWS_CONFIG_FILE: `${file}-no` },
  });
  write('who-was-here-before');
  const store = place.open({ credentials: { type: 'runner' } });
  await t.rejects(store.put('k', Buffer.from('x')), { code: 'denied' });
  write(accessKey);
  await store.put('k', Buffer.from('rotated'));
  t.equal(await read(store), 'rotated');
});

t.test('a runner with S3_CA runs experiments whose artifacts bring no keys', { timeout: 90_000 }, async t => {
  const there = await needTls(t);
  if (!there) return;
  const { place, endpoint, file } = there;
  const { accessKey, secretAccessKey } = place.credentials;
  const credentials = { aws: { access_key: accessKey, secret_access_key: secretAccessKey } };
  const named = { endpoint, bucket: place.bucket, databaseBucket: place.bucket, credentials };
  const env = { S3_CA: file('ca.crt'), ALLOW_ENV_SECRETS: 'true' };
  const withKeys = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  const own = { ALLOW_RUNNER_CREDENTIALS: 'true', ...withKeys };
  for (const [words, runnerEnv, requestEnv] of [
    ['config.env has them', env, withKeys],
    ['the runner has them', { ...env, ...own }, {}],
  ] as const) {
    const scene = new PipelineScene(t, runnerEnv, { named, objects: place.open() });
    const { key, body } = await scene.request({ env: requestEnv });
    const bare = JSON.parse(body) as { experiment: { artifacts: Record<string, { credentials?: unknown }> } };
    for (const artifact of Object.values(bare.experiment.artifacts)) delete artifact.credentials;
    scene.send(JSON.stringify(bare));
    t.match(await scene.settled(key), { settlement: 'accept', cause: 'completed' }, words);
    t.match((await scene.output(key)).toString(), /it ran/);
    t.notOk(JSON.stringify(await scene.metadata(key)).includes(`"${secretAccessKey}"`), 'in no document');
    t.equal(await scene.runner.stop(), 0);
  }
});
