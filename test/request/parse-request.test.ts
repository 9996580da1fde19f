import t from 'tap';
import { clearMessages, parseBody, recorded } from '../helpers/recorded.ts';

/** A request of this experiment and config, through bytes as every request comes. */
const parse = (experiment: object, config: object | null = {}) =>
  parseBody(Buffer.from(JSON.stringify({ experiment: { key: 'k', ...experiment }, config })));

t.test('the local client is understood, its arguments as they were typed', async t => {
  const request = parseBody(recorded('local_demo'));
  t.same(request.args, ['a b', "it's", 'x$HOME`id`']);
  t.equal(request.key, '1795459230_5ffc3843-850a-492f-af25-28d492d05105');
  t.equal(request.filename, 'hello.py');
  t.equal(request.database?.endpoint, '/home/user/store');
  t.same(request.artifacts.get('workspace'), {
    label: 'workspace',
    mutable: false,
    unpack: true,
    key: 'blobstore/229f81e9b21a58367fc785abb1f955e188033bce80f52508116600abe7324bf6.tar',
    qualified:
      'file://home/user/store/storage/blobstore/229f81e9b21a58367fc785abb1f955e188033bce80f52508116600abe7324bf6.tar',
  });
});

t.test('the client on RabbitMQ is understood', async t => {
  const body = recorded('rmq_clear');
  const { artifacts, raw, ...rest } = parseBody(body);
  const credentials = { type: 'aws', accessKey: 'minio', secretAccessKey: 'minio123456' };
  const store = { type: 's3', endpoint: 'http://127.0.0.1:9000', credentials };
  t.same(rest, {
    key: '1795459232_e5ee18b4-285d-4cad-940b-762e45b37369',
    filename: 'train.py',
    args: ['5'],
    pythonVersion: '3.11',
    requirements: [],
    extraRequirements: ['six==1.16.0'],
    maxDurationMs: 1_200_000,
    lifetimeMs: 1_800_000,
    timeAddedSeconds: 1795459232.2373593,
    resources: { cores: 1, memoryBytes: 128e6, diskBytes: 512e6, gpus: 0, gpuMemoryBytes: 0 },
    project: 'demo',
    env: { HELLO: 'from-config' },
    saveWorkspaceFrequencyMs: 120_000,
    database: { ...store, bucket: 'studio-metadata' },
    storage: { ...store, bucket: 'studio' },
    slackDestination: '@nobody',
  });
  t.same([...artifacts.keys()], ['workspace', 'modeldir', 'output', 'tb', 'retval', '_metadata']);
  t.same(artifacts.get('tb')?.credentials, credentials);
  t.equal(artifacts.get('tb')?.mutable, true);
  t.same(raw, JSON.parse(body.toString()), 'members that nobody knows are kept');
});

t.test('GPUs and a region are understood', async t => {
  t.same(parseBody(recorded('rmq_gpu')).resources, {
    cores: 4,
    memoryBytes: 16e9,
    diskBytes: 20e9,
    gpus: 2,
    gpuMemoryBytes: 8e9,
    gpuCount: 1,
  });
  t.match(parseBody(recorded('sqs_clear')).artifacts.get('output')?.credentials, { region: 'us-west-2' });
});

t.test('a key is enough, and null says nothing', async t => {
  const least = {
    key: 'k',
    args: [],
    requirements: [],
    extraRequirements: [],
    resources: { cores: 0, memoryBytes: 0, diskBytes: 0, gpus: 0, gpuMemoryBytes: 0 },
    artifacts: new Map(),
    env: {},
  };
  const { raw: _raw, ...bare } = parse({}, null);
  t.strictSame(bare, least);
  const experimentNames =
    'filename args pythonver pythonenv max_duration time_added resources_needed project project_version project_experiment author artifacts';
  const configNames = 'pip experimentLifetime env saveWorkspaceFrequency database storage runner cloud verbose';
  const nulls = (names: string) => Object.fromEntries(names.split(' ').map(name => [name, null]));
  const { raw: _nulls, ...nothing } = parse(nulls(experimentNames), nulls(configNames));
  t.strictSame(nothing, least);
});

t.test('a key may hold any characters', async t => {
  for (const key of ['../../etc', 'a b\n\0', '__proto__', '💥'.repeat(500), '%2f']) t.equal(parse({ key }).key, key);
});

t.test('sizes and counts may come as numbers and as text', async t => {
  const { resources } = parse({
    resources_needed: { cpus: '2', gpus: 1, ram: 0, hdd: '0', gpuMem: 1024, gpuCount: '4' },
  });
  t.same(resources, { cores: 2, memoryBytes: 0, diskBytes: 0, gpus: 1, gpuMemoryBytes: 1024, gpuCount: 4 });
});

t.test('a Python version may be a number, and keeps its digits', async t => {
  const version = (pythonver: string) =>
    parseBody(Buffer.from(`{"experiment": {"key": "k", "pythonver": ${pythonver}}}`)).pythonVersion;
  t.equal(version('3'), '3');
  t.equal(version('"3.6"'), '3.6');
  t.equal(version('3.11'), '3.11');
  t.equal(version('3.1'), '3.1');
  t.equal(version('3.10'), '3.10');
});

t.test('credentials of every kind are understood', async t => {
  const read = (credentials: unknown) => parse({ artifacts: { a: { credentials } } }).artifacts.get('a')?.credentials;
  t.same(read({ plain: { user: 'u', password: 'p' } }), { type: 'plain', user: 'u', password: 'p' });
  t.same(read({ jwt: { token: 't' } }), { type: 'jwt', token: 't' });
  t.same(read({ aws: { access_key: 'a', secret_key: 's', session_token: 't' } }), {
    type: 'aws',
    accessKey: 'a',
    secretAccessKey: 's',
    sessionToken: 't',
  });
  t.match(read({ aws: { access_key: 'a', secret_access_key: 'new', secret_key: 'old' } }), { secretAccessKey: 'new' });
  t.same(read({ aws: { access_key: '', secret_access_key: '' } }), { type: 'anonymous' });
  t.same(read({ plain: { user: '', password: '' } }), { type: 'anonymous' });
  t.same(read({ aws: null, jwt: null, plain: { user: 'u', password: 'p' } }), {
    type: 'plain',
    user: 'u',
    password: 'p',
  });
  for (const nothing of [null, {}, { aws: {} }, { aws: null }]) t.equal(read(nothing), undefined);
});

t.test('artifacts with null are left out', async t => {
  const { artifacts } = parse({ artifacts: { a: null, b: { mutable: true, saveFrequency: 5 } } });
  t.same([...artifacts.values()], [{ label: 'b', mutable: true, unpack: false, saveFrequencyMs: 5000 }]);
});

t.test('an interval of checkpoints that is no duration is none', async t => {
  const frequency = (saveWorkspaceFrequency: unknown) => parse({}, { saveWorkspaceFrequency }).saveWorkspaceFrequencyMs;
  t.equal(frequency('1m'), 60_000);
  for (const none of ['often', '', 5, [], null]) t.equal(frequency(none), undefined);
});

t.test('variables are what the Python client makes of them', async t => {
  const env = JSON.parse('{"A": "", "B": 5, "C": true, "D": false, "E": null, "__proto__": "p"}') as object;
  const read = parse({}, { env }).env;
  t.same(Object.entries(read), Object.entries({ A: '', B: '5', C: 'True', D: 'False' }).concat([['__proto__', 'p']]));
});

t.test('members named __proto__ do no harm', async t => {
  const body =
    '{"__proto__": {"x": 1}, "experiment": {"key": "k", "__proto__": {"filename": "evil.py"}, "artifacts": {"__proto__": {"mutable": true}}}}';
  const request = parseBody(Buffer.from(body));
  t.equal(request.filename, undefined);
  t.same([...request.artifacts.keys()], ['__proto__']);
  t.equal(({} as { x?: unknown }).x, undefined);
});

t.test('a request costs a small multiple of what JSON.parse alone does', async t => {
  const batch = clearMessages.map(recorded);
  const timed = (read: (body: Buffer) => unknown) => {
    const start = performance.now();
    for (let round = 0; round < 25; round += 1) batch.forEach(read);
    return performance.now() - start;
  };
  const rounds = Array.from({ length: 40 }, () => ({
    ours: timed(parseBody),
    bare: timed(body => JSON.parse(body.toString())),
  }));
  const ours = Math.min(...rounds.map(round => round.ours));
  const bare = Math.min(...rounds.map(round => round.bare));
  t.ok(ours < bare * 20, `${(ours / bare).toFixed(1)} times`);
});
