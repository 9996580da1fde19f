import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { connect } from 'amqplib';
import t, { type Test } from 'tap';
import { collect, s3ClientStore, submit, usualOutputs, type ClientExperiment } from '../helpers/client.ts';
import { needService } from '../helpers/services.ts';

const files = {
  program: { 'main.py': 'print("hello")\n', data: { 'numbers.txt': '1 2 3\n' } },
  'arguments.json': '{"x": 1}\n',
  home: {},
  store: {},
};

const experimentIn = (directory: string): ClientExperiment => ({
  workspace: path.join(directory, 'program'),
  filename: 'main.py',
  args: ['a b', "it's", 'x$HOME'],
  requirements: ['wheel==0.45.1'],
  inputs: { args: path.join(directory, 'arguments.json') },
  mutable: usualOutputs,
});

interface Request {
  experiment: { key: string; args: string[]; pythonenv: string[]; artifacts: Record<string, { qualified: string }> };
}

const checkDownload = (test: Test, artifacts: Readonly<Record<string, string | null>>): void => {
  test.equal(readFileSync(path.join(artifacts['workspace'] ?? '', 'data/numbers.txt'), 'utf8'), '1 2 3\n');
  test.equal(readFileSync(artifacts['args'] ?? '', 'utf8'), '{"x": 1}\n', 'a single file comes back as a file');
  test.equal(artifacts['retval'], null, 'nothing has stored a retval yet');
};

t.test('the client publishes to the broker and downloads from the S3 store', async t => {
  const python = needService(t, 'TEST_CLIENT_PYTHON');
  const amqpUrl = python && needService(t, 'TEST_AMQP_URL');
  const s3Url = amqpUrl && needService(t, 'TEST_S3_URL');
  if (!python || !amqpUrl || !s3Url) return;
  const directory = t.testdir(files);
  const session = { python, home: path.join(directory, 'home'), store: s3ClientStore(s3Url, 'client-test') };
  const queue = `rmq_client_${process.pid}`;

  const broker = await connect(amqpUrl, { noDelay: true });
  t.teardown(() => broker.close());
  const channel = await broker.createChannel();
  t.teardown(() => channel.deleteQueue(queue));

  const experiments = [experimentIn(directory), { ...experimentIn(directory), key: 'given' }];
  const keys = await submit(t, { ...session, amqpUrl, queue, experiments });
  t.equal(keys.length, 2);
  t.equal(keys[1], 'given');

  const message = await channel.get(queue, { noAck: true });
  t.ok(message);
  const { experiment } = JSON.parse(message ? message.content.toString() : '{}') as Request;
  t.equal(experiment.key, keys[0]);
  t.strictSame(experiment.args, ["'a b'", `'it'"'"'s'`, "'x$HOME'"], 'each argument is quoted by the client');
  t.strictSame(experiment.pythonenv, ['wheel==0.45.1']);
  t.match(experiment.artifacts['workspace']?.qualified, /^s3:\/\/127\.0\.0\.1:\d+\/client-test\/blobstore\/.+\.tar$/);

  const collected = await collect(t, {
    ...session,
    keys: [...keys, 'unknown'],
    directory: path.join(directory, 'back'),
  });
  t.equal(collected[keys[0] ?? '']?.status, 'waiting');
  t.equal(collected['unknown']?.status, null);
  checkDownload(t, collected[keys[0] ?? '']?.artifacts ?? {});
});

t.test('the client publishes to its local queue and downloads from a local store', async t => {
  const python = needService(t, 'TEST_CLIENT_PYTHON');
  if (!python) return;
  const directory = t.testdir(files);
  const home = path.join(directory, 'home');
  const store = {
    type: 'local',
    directory: path.join(directory, 'store'),
    bucket: 'storage',
    metadataBucket: 'db',
  } as const;

  const [key = ''] = await submit(t, {
    python,
    home,
    store,
    queue: 'local_tests',
    experiments: [experimentIn(directory)],
  });
  const messages = readdirSync(path.join(home, 'queue/local_tests')).filter(name => name !== 'lock.lock');
  t.equal(messages.length, 1);
  const { experiment } = JSON.parse(
    readFileSync(path.join(home, 'queue/local_tests', messages[0] ?? ''), 'utf8'),
  ) as Request;
  t.equal(experiment.key, key);
  t.match(experiment.artifacts['workspace']?.qualified, /^file:\//);

  mkdirSync(path.join(directory, 'back'));
  const collected = await collect(t, { python, home, store, keys: [key], directory: path.join(directory, 'back') });
  checkDownload(t, collected[key]?.artifacts ?? {});
});

t.test('a submission that fails says what the client printed', async t => {
  const python = needService(t, 'TEST_CLIENT_PYTHON');
  if (!python) return;
  const home = t.testdir({});
  const store = { type: 'local', directory: path.join(home, 'missing'), bucket: 'b', metadataBucket: 'm' } as const;
  await t.rejects(submit(t, { python, home, store, queue: 'local_tests', experiments: [] }), /doesn't exist/);
});
