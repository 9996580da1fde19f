import assert from 'node:assert';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { connect } from 'amqplib';
import t, { type Test } from 'tap';
import { collect } from '../helpers/client.ts';
import { eventually } from '../helpers/eventually.ts';
import { jsonLines, runCommand } from '../helpers/run-command.ts';
import { RunnerProcess } from '../helpers/runner-process.ts';
import { needS3 } from '../helpers/s3.ts';
import { needService } from '../helpers/services.ts';

const program = `import os, sys
print('arguments', sys.argv[1:], os.environ['FLAVOUR'], flush=True)
open('../modeldir/model', 'w').write('trained')
raise SystemExit(int(sys.argv[1]))
`;
const scene = (t: Test) =>
  t.testdir({ program: { 'main.py': program }, queues: {}, store: {}, work: {}, home: {}, certs: {}, back: {} });

const startRunner = (t: Test, env: Readonly<Record<string, string>>): RunnerProcess => {
  const runner = new RunnerProcess({ MAX_ATTEMPTS: '1', TERMINATION_GRACE: '1s', ...env });
  t.teardown(() => runner.stop());
  return runner;
};
const addressOf = async (runner: RunnerProcess): Promise<string> => {
  const found = await eventually(
    () => {
      const event = runner.events.find(({ event }) => event === 'http-listening');
      assert.ok(event);
      return event;
    },
    { timeoutMs: 60_000 },
  );
  return `http://${String(found['address'])}`;
};

t.test('RabbitMQ and S3: followed by its runner to its exit code, and read by the real client', async t => {
  const amqpUrl = needService(t, 'TEST_AMQP_URL');
  const amqpMgtUrl = amqpUrl && needService(t, 'TEST_AMQP_MGT_URL');
  const python = amqpMgtUrl && needService(t, 'TEST_CLIENT_PYTHON');
  if (!amqpUrl || !amqpMgtUrl || !python) return;
  const s3 = await needS3(t);
  if (!s3) return;
  const directory = scene(t);
  const queue = `rmq_submit_${randomUUID()}`;
  const { host, protocol } = new URL(s3.endpoint);
  const { accessKey, secretAccessKey } = s3.credentials;
  const store = `${protocol}//${accessKey}:${secretAccessKey}@${host}/${s3.bucket}`;
  const env = { AMQP_URL: amqpUrl, AMQP_MGT_URL: amqpMgtUrl };
  const runner = startRunner(t, {
    ...env,
    QUEUE_MATCH: `^${queue}$`,
    WORKING_DIR: join(directory, 'work'),
    CLEAR_TEXT_MESSAGES: 'true',
  });
  const broker = await connect(amqpUrl);
  const channel = await broker.createChannel();
  t.teardown(async () => {
    await channel.deleteQueue(queue);
    await channel.deleteQueue(`studioml.dead.${queue}`);
    await broker.close();
  });
  const words = ['submit', join(directory, 'program'), '--queue', queue, '--set', 'FLAVOUR=sweet and sour'];
  const resources = ['--ram', '64mb', '--hdd', '64mb', '--project', 'tests', '--key', 'one'];
  const ended = await runCommand(
    [...words, ...resources, '--follow', '--runner', await addressOf(runner), '--', '3', "it's", 'a b'],
    { ...env, SUBMIT_STORE: store },
  );
  t.equal(ended.code, 3, ended.stderr);
  t.match(ended.stdout, /^one\n[^]*arguments \['3', "it's", 'a b'\] sweet and sour\n/);
  t.match(ended.stderr, /runner: waiting\n[^]*runner: finished\n/);

  const collected = await collect(t, {
    python,
    home: join(directory, 'home'),
    store: {
      type: 's3',
      endpoint: s3.endpoint,
      accessKey,
      secretKey: secretAccessKey,
      bucket: s3.bucket,
      metadataBucket: s3.bucket,
    },
    keys: ['one'],
    directory: join(directory, 'back'),
  });
  t.match(collected['one'], { status: 'finished', times: { added: Number, finished: Number } });
  const { workspace = '', modeldir = '' } = collected['one']?.artifacts ?? {};
  t.equal(readFileSync(join(String(workspace), 'main.py'), 'utf8'), program);
  t.equal(readFileSync(join(String(modeldir), 'model'), 'utf8'), 'trained');

  t.match(await runCommand([...words, ...resources, '--store', store], env), {
    code: 1,
    stderr: /choose another --key/,
  });

  // The runner may not open the store, so no record tells that it was rejected.
  const closed = await runCommand([...words, '--store', join(directory, 'store/bucket'), '--follow'], env);
  t.equal(closed.code, 1);
  t.match(closed.stderr, /runner: it was rejected: access-denied: .*FILE_ROOTS.* \[queue=rmq_submit_.*dead letter=/);
});

t.test('a directory queue and a directory store, sealed and signed with keys of runner keys', async t => {
  const directory = scene(t);
  const certs = join(directory, 'certs');
  for (const kind of [['cluster'], ['sender', '--queue-prefix', 'local_']])
    assert.equal((await runCommand(['keys', ...kind, '--out', certs])).code, 0);
  const env = { QUEUE_ROOT: join(directory, 'queues') };
  startRunner(t, { ...env, WORKING_DIR: join(directory, 'work'), CERTS_DIR: certs });
  const ended = await runCommand(
    [
      ...['submit', join(directory, 'program'), '--queue', 'local_sealed', '--store', join(directory, 'store/bucket')],
      ...['--seal', join(certs, 'message/encryption/ssh-publickey')],
      ...['--sign', join(certs, 'hand-over/local_.sender.pem')],
      ...['--ram=64mb', '--hdd=64mb', '--set=FLAVOUR=plain', '--follow', '--json', '--', '0'],
    ],
    env,
  );
  t.equal(ended.code, 0, ended.stderr);
  t.match(jsonLines(ended), [{ queue: 'local_sealed', status: 'finished', exitCode: 0 }]);
  t.match(ended.stderr, /arguments \['0'\] plain\n/);

  const clear = ['submit', join(directory, 'program'), '--queue', 'local_sealed'];
  const refused = await runCommand([...clear, '--store', join(directory, 'store/bucket'), '--follow', '--json'], env);
  t.match(jsonLines(refused), [{ status: 'rejected', exitCode: 1, message: /clear-text-refused: .*dead letter=/ }]);
  t.equal(refused.code, 1);
});

t.test('SQS', async t => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return;
  const directory = scene(t);
  const aws = { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y', AWS_REGION: 'us-east-1' };
  const client = new SQSClient({
    endpoint,
    region: aws.AWS_REGION,
    credentials: { accessKeyId: aws.AWS_ACCESS_KEY_ID, secretAccessKey: aws.AWS_SECRET_ACCESS_KEY },
  });
  t.teardown(() => client.destroy());
  const queue = `sqs_submit_${randomUUID()}`;
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: queue }));
  const words = ['submit', join(directory, 'program'), '--queue', queue, '--store', join(directory, 'store/bucket')];
  const { code, stdout, stderr } = await runCommand([...words, '--json'], { ...aws, AWS_ENDPOINT_URL_SQS: endpoint });
  t.equal(code, 0, stderr);
  const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5 }));
  const { experiment } = JSON.parse(Messages[0]?.Body ?? '{}') as { experiment: { key: string; filename: string } };
  t.match(experiment, { key: (JSON.parse(stdout) as { key: string }).key, filename: 'main.py' });
});

t.test('record copies what lies on a queue of RabbitMQ, replay reads it', async t => {
  const amqpUrl = needService(t, 'TEST_AMQP_URL');
  if (amqpUrl === undefined) return;
  const directory = scene(t);
  const queue = `rmq_record_${randomUUID()}`;
  const broker = await connect(amqpUrl);
  const channel = await broker.createChannel();
  t.teardown(async () => {
    await channel.deleteQueue(queue);
    await broker.close();
  });
  const words = ['submit', join(directory, 'program'), '--queue', queue, '--store', join(directory, 'store/bucket')];
  for (const key of ['first', 'second'])
    assert.equal((await runCommand([...words, '--key', key], { AMQP_URL: amqpUrl })).code, 0);
  const recorded = await runCommand(['record', '--queue', queue], { AMQP_URL: amqpUrl });
  t.equal(recorded.code, 0, recorded.stderr);
  t.equal((await channel.checkQueue(queue)).messageCount, 2, 'nothing is consumed');
  const file = join(directory, 'recording.ndjson');
  writeFileSync(file, recorded.stdout);
  const replayed = await runCommand(['replay', file, '--dry-run', '--clear-text-messages']);
  t.match(replayed, { code: 0, stdout: /accept .*first .*\n.*accept .*second/ });
});

t.test('what can not be submitted is said in one line each', async t => {
  const directory = scene(t);
  t.match(await runCommand(['submit', '--cpus', 'x', '--seal', 'f', '--store', 'http://h/b', '--set', '1=2']), {
    code: 2,
    stderr:
      /--set: expected NAME=VALUE\n[^]*--cpus: found "x"[^]*found 0 workspaces[^]*--queue: expected[^]*--seal, --sign: found only one[^]*--store \(SUBMIT_STORE\): expected/,
  });
  const words = ['submit', join(directory, 'program'), '--queue', 'local_a', '--store', join(directory, 'store/b')];
  const env = { QUEUE_ROOT: join(directory, 'queues') };
  t.match(await runCommand([...words, '--filename', 'none.py'], env), {
    code: 2,
    stderr: /there is no file "none.py"/,
  });
  t.match(await runCommand(words, { AMQP_URL: 'amqp://127.0.0.1:1' }), {
    code: 1,
    stderr: /^runner: the request could not be sent \[queue=local_a\]: .*ECONNREFUSED.*; runner check looks why\n$/,
  });
  t.match(await runCommand([...words.slice(0, -1), 'http://k:hunter22x@127.0.0.1:1/b'], env), {
    code: 1,
    stderr: /^runner: (?!.*hunter22x).*look at host and port in --store/,
  });
});
