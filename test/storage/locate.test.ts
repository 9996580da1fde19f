import { symlinkSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import type { Artifact, Request } from '../../lib/model/experiment.ts';
import { locate, locateDatabase } from '../../lib/storage/locate.ts';
import type { LocateContext } from '../../lib/storage/locate.ts';

const use: LocateContext = { allowEnvSecrets: false, allowRunnerCredentials: false, fileRoots: [] };
const credentials = { type: 'aws', accessKey: 'someone', secretAccessKey: 'a-secret-of-theirs' } as const;
const artifact = (qualified: string, more: Partial<Artifact> = {}): Artifact => ({
  label: 'data',
  mutable: false,
  unpack: false,
  qualified,
  credentials,
  ...more,
});
const request = (more: Partial<Request> = {}): Request => ({
  key: 'experiment-1',
  args: [],
  requirements: [],
  extraRequirements: [],
  resources: { cores: 1, memoryBytes: 0, diskBytes: 0, gpus: 0, gpuMemoryBytes: 0 },
  artifacts: new Map(),
  env: {},
  raw: {},
  ...more,
});
const bare = (qualified: string): Artifact => ({ label: 'data', mutable: false, unpack: false, qualified });

for (const [qualified, store, key, more] of [
  ['s3://127.0.0.1:9000/studio/a/b.tar', 's3://127.0.0.1:9000/studio', 'a/b.tar', {}],
  ['s3://s3-us-west-2.amazonaws.com/buck/a/b', 's3://s3.us-west-2.amazonaws.com/buck', 'a/b', {}],
  ['s3://s3.eu-central-1.amazonaws.com/buck/a', 's3://s3.eu-central-1.amazonaws.com/buck', 'a', {}],
  ['s3://my.buck.s3.eu-west-1.amazonaws.com/a/b', 's3://s3.eu-west-1.amazonaws.com/my.buck', 'a/b', {}],
  ['s3://s3.amazonaws.com/buck/a', 's3://s3.us-east-1.amazonaws.com/buck', 'a', {}],
  ['s3://buck.s3-us-west-2.amazonaws.com/a/b', 's3://s3.us-west-2.amazonaws.com/buck', 'a/b', {}],
  ['s3://s3.dualstack.eu-west-1.amazonaws.com/buck/a', 's3://s3.eu-west-1.amazonaws.com/buck', 'a', {}],
  ['s3://minio/x/y', 's3://minio/studio', 'k#?1', { bucket: 'studio', key: 'k#?1' }],
  ['s3://minio', 's3://minio/studio', 'k', { bucket: 'studio', key: 'k' }],
  ['file:///srv/store/b/k%20e', 'file:///srv/store/b', 'k e', {}],
  ['file://localhost/srv/b/k', 'file:///srv/b', 'k', {}],
  ['file://home/user/my store/b/x/k%20.tar', 'file:///home/user/my store/b', 'x/k%20.tar', { key: 'x/k%20.tar' }],
] as const) {
  t.test(`${qualified} is ${key} in ${store}`, async t => {
    const found = locate(artifact(qualified, more), request(), 'directory', use);
    t.equal(found?.store.name, store);
    t.equal(found?.key, key);
  });
}

t.test('a region comes from the host, else the credentials, else config.env, else the runner', async t => {
  const env = { AWS_DEFAULT_REGION: 'eu-env-1' };
  const inRegion = { credentials: { ...credentials, region: 'eu-own-1' } };
  const [named, unnamed] = ['s3://s3.eu-host-1.amazonaws.com/b/k', 's3://s3.amazonaws.com/b/k'];
  const other = { ...use, defaultRegion: 'eu-run-1' };
  for (const [qualified, more, given, region] of [
    [named, inRegion, env, 'eu-host-1'],
    [unnamed, inRegion, env, 'eu-own-1'],
    [unnamed, {}, env, 'eu-env-1'],
    [unnamed, {}, {}, 'eu-run-1'],
  ] as const) {
    const found = locate(artifact(qualified, more), request({ env: given }), 'rabbitmq', other);
    t.equal(found?.store.name, `s3://s3.${region}.amazonaws.com/b`);
  }
  const nowhere = artifact(unnamed, { credentials: { ...credentials, region: 'a/b' } });
  t.throws(() => locate(nowhere, request(), 'rabbitmq', use), { code: 'artifact-invalid', message: /no region/ });
});

t.test('images have no place in a store', async t => {
  t.equal(locate(bare('dockerhub://python:3'), request(), 'rabbitmq', use), undefined);
});

t.test('what can not be served, or makes no sense, is said without passwords', async t => {
  for (const [qualified, words] of [
    ['gs://bucket', /expected gs:\/\/bucket\/key/],
    ['ftp://me:pass-word@host/x?X-Amz-Signature=abc', /ftp:\/\/ is not supported; expected s3:/],
    ['https://me:pass-word@:x/?X-Amz-Signature=abc', /expected http/],
    ['s3://me:pass-word@host/b/k', /expected s3:\/\/host/],
    ['s3://host/bucket', /no bucket or no key/],
    ['bucket/key', /expected s3:/],
  ] as const) {
    const locating = () => locate(artifact(qualified), request(), 'rabbitmq', use);
    t.throws(locating, { code: 'artifact-invalid', message: words });
    t.throws(locating, { message: /^(?!.*(pass-word|Signature)).*$/s });
  }
});

t.test('credentials come from the artifact, else from where it is allowed, else it is refused', async t => {
  const there = bare('s3://host:9000/b/k');
  const env = { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y' };
  const refused = { code: 'access-denied', message: /ALLOW_ENV_SECRETS.*artifact=data/ };
  t.throws(() => locate(there, request({ env }), 'rabbitmq', use), refused);
  t.throws(() => locate(there, request(), 'rabbitmq', { ...use, allowEnvSecrets: true }), refused);
  t.ok(locate(there, request({ env }), 'rabbitmq', { ...use, allowEnvSecrets: true }));
  t.ok(locate(there, request(), 'rabbitmq', { ...use, allowRunnerCredentials: true }));
  t.ok(locate({ ...there, credentials: { type: 'anonymous' } }, request(), 'rabbitmq', use));
  const jwt = { ...there, credentials: { type: 'jwt', token: 'tok' } } as const;
  t.throws(() => locate(jwt, request(), 'rabbitmq', use), { code: 'access-denied', message: /jwt/ });
});

t.test('web addresses give their path as the key, and take a password or a token', async t => {
  const at = (qualified: string, more: Partial<Artifact> = {}) =>
    locate({ ...bare(qualified), ...more }, request(), 'rabbitmq', use);
  const found = at('https://me:pass-word@host:8443/data/set%20a.tar?X-Amz-Signature=abc');
  t.match([found?.store.name, found?.key], ['https://host:8443', 'data/set a.tar']);
  t.ok(at('http://host/x', { credentials: { type: 'plain', user: 'u', password: 'p' } }));
  t.ok(at('http://host/x', { credentials: { type: 'jwt', token: 't' } }));
  t.throws(() => at('http://host/x', { credentials }), { code: 'access-denied', message: /expected plain or jwt/ });
  t.throws(() => at('http://host/x', { mutable: true }), { code: 'artifact-invalid', message: /only be read/ });
});

t.test('gs:// is opened by a service account, nobody, or the runner where it is allowed', async t => {
  const json = JSON.stringify({ client_email: 'a@b', private_key: 'k' });
  const at = (more: Partial<Artifact>, over: Partial<LocateContext> = {}) =>
    locate({ ...bare('gs://buck/a/b'), ...more }, request(), 'rabbitmq', { ...use, ...over });
  const account = at({ credentials: { type: 'jwt', token: json } });
  t.match([account?.store.name, account?.key], ['gs://buck', 'a/b']);
  t.equal(at({ credentials: { type: 'anonymous' }, bucket: 'other', key: 'k' })?.store.name, 'gs://other');
  t.ok(at({}, { allowRunnerCredentials: true }));
  const refused = { code: 'access-denied', message: /^(?!.*tok-en).*expected.*$/s };
  for (const more of [{}, { credentials }, { credentials: { type: 'jwt', token: 'tok-en' } }] as const)
    t.throws(() => at(more), refused);
});

t.test('files are open to directory queues, to others below FILE_ROOTS only, links followed', async t => {
  const home = t.testdir({ open: { in: 'x' }, shut: { out: 'y' } });
  symlinkSync('../shut', path.join(home, 'open/door'));
  const at = (file: string, roots: readonly string[] = []) =>
    locate(bare(`file://${path.join(home, file)}`), request(), 'rabbitmq', { ...use, fileRoots: roots });
  const roots = [path.join(home, 'open')];
  t.throws(() => at('open/in'), { code: 'access-denied', message: /FILE_ROOTS/ });
  t.equal(at('open/in', roots)?.key, 'in');
  for (const file of ['shut/out', 'open/door/out', 'open/../shut/out', 'open-not/x'])
    t.throws(() => at(file, roots), { code: 'access-denied' }, file);
});

t.test('a store is sent elsewhere as it is asked', async t => {
  const redirect = new Map([
    ['s3://old:9000', 'http://key:sec%2Fret@127.0.0.1:19000'],
    ['s3://gone:9000', 'file:///tmp/stores'],
  ]);
  const other = { ...use, redirect };
  t.equal(locate(bare('s3://old:9000/b/k'), request(), 'rabbitmq', other)?.store.name, 's3://127.0.0.1:19000/b');
  t.equal(locate(bare('s3://gone:9000/b/k'), request(), 'rabbitmq', other)?.store.name, 'file:///tmp/stores/b');
});

t.test('the metadata store is found from config.database', async t => {
  const at = (database: Request['database']) => locateDatabase(request(database ? { database } : {}), 'directory', use);
  t.equal(at(undefined), undefined);
  const s3 = at({ type: 's3', endpoint: 'http://127.0.0.1:9000', bucket: 'meta', credentials });
  t.equal(s3?.store.name, 's3://127.0.0.1:9000/meta');
  t.equal(s3?.key, 'experiments/experiment-1');
  t.equal(at({ type: 'local', endpoint: '/srv/store', bucket: 'meta' })?.store.name, 'file:///srv/store/meta');
  const jwt = { type: 'jwt', token: JSON.stringify({ client_email: 'a@b', private_key: 'k' }) } as const;
  t.equal(at({ type: 'gs', bucket: 'meta', credentials: jwt })?.store.name, 'gs://meta');
  t.throws(() => at({ type: 'gs', bucket: 'meta' }), { code: 'access-denied', message: /ALLOW_RUNNER_CREDENTIALS/ });
  t.throws(() => at({ type: 'firebase', bucket: 'b' }), {
    code: 'artifact-invalid',
    message: /expected s3, gs or local/,
  });
});
