import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { collect, s3ClientStore, submit, type ClientExperiment } from '../helpers/client.ts';
import { eventually } from '../helpers/eventually.ts';
import { RunnerProcess, type EventLine } from '../helpers/runner-process.ts';
import { needService } from '../helpers/services.ts';
import { openSqs } from '../helpers/sqs.ts';
import { printedIn } from '../helpers/printed.ts';

/** Fails where it is told to; where it is told to hang it does so at its first attempt, as long as its runner lives. */
const program = `import os, sys, time
print('attempt', os.environ.get('STUDIOML_ATTEMPT', '1'), flush=True)
if 'fail' in sys.argv:
    sys.exit(3)
parent = os.getppid()
while 'hang' in sys.argv and 'STUDIOML_ATTEMPT' not in os.environ and os.getppid() == parent:
    time.sleep(0.1)
`;

const access = { accessKeyId: 'sqs-key', secretAccessKey: 'sqs-hidden-secret' };

const open = (t: Test) => {
  const python = needService(t, 'TEST_CLIENT_PYTHON');
  const endpoint = python && needService(t, 'TEST_SQS_URL');
  const s3Url = endpoint && needService(t, 'TEST_S3_URL');
  if (!python || !endpoint || !s3Url) return undefined;
  const directory = t.testdir({
    home: {},
    work: {},
    program: { 'main.py': program },
    certs: {
      account: {
        credentials: `[default]\naws_access_key_id = ${access.accessKeyId}\naws_secret_access_key = ${access.secretAccessKey}\n`,
        config: '[default]\nregion = us-east-1\n',
      },
    },
  });
  const sqs = openSqs(t, endpoint);
  const queue = `sqs_e2e_${String(process.pid)}_${String(Date.now())}`;
  const session = { python, home: join(directory, 'home'), store: s3ClientStore(s3Url, `sqs-${String(Date.now())}`) };
  // The client's own library reads it as well.
  process.env['AWS_ENDPOINT_URL_SQS'] = endpoint;
  t.teardown(() => delete process.env['AWS_ENDPOINT_URL_SQS']);
  const common = {
    AWS_ENDPOINT_URL_SQS: endpoint,
    CLEAR_TEXT_MESSAGES: 'true',
    QUEUE_MATCH: `^${queue}$`,
    WORKING_DIR: join(directory, 'work'),
    LEASE: '10s',
  };
  const runner = (env: Readonly<Record<string, string>>) => {
    const started = new RunnerProcess({ ...common, ...env });
    t.teardown(() => started.stop());
    return started;
  };
  const send = (experiments: readonly ClientExperiment[]) => {
    const { accessKeyId: access_key, secretAccessKey: secret_access_key } = access;
    const credentials = { aws: { access_key, secret_access_key, region: 'us-east-1' } };
    return submit(t, { ...session, queue, experiments, config: { cloud: { queue: { sqs: { credentials } } } } });
  };
  const experiment = (...args: readonly string[]): ClientExperiment => ({
    workspace: join(directory, 'program'),
    filename: 'main.py',
    args,
    mutable: ['output', '_metadata'],
  });
  return { sqs, queue, directory, session, runner, send, experiment, certs: join(directory, 'certs') };
};

const isFinal = (event: EventLine) =>
  event.event === 'settled' && (event['settlement'] === 'accept' || event['settlement'] === 'reject');

t.test("experiments of the client's own SQS queue run, and fail, to their end", async t => {
  const scene = open(t);
  if (!scene) return;
  const { sqs, queue, runner, send, experiment, session, directory } = scene;
  await sqs.create(queue);
  const started = runner({ SQS_CERTS: scene.certs });
  const done = started.next(isFinal, 3);
  const keys = await send([experiment(), experiment('fail'), experiment()]);
  const ends = new Map((await done).map(event => [event.experiment, event['settlement']]));
  t.strictSame(
    keys.map(key => ends.get(key)),
    ['accept', 'reject', 'accept'],
  );
  const collected = await collect(t, { ...session, keys, directory: join(directory, 'back') });
  t.equal(
    printedIn(readFileSync(join(collected[keys[0] ?? '']?.artifacts['output'] ?? '', 'output'), 'utf8')),
    'attempt 1\n',
  );
  const [letter] = await sqs.deadLetters(queue);
  t.match(letter, { reason: 'exited', history: [{ cause: 'exited' }, { cause: 'exited' }, { cause: 'exited' }] });
  t.ok(letter?.body.includes(keys[1] ?? 'none'));
  t.equal(await started.stop(), 0);
  t.strictSame(await sqs.drain(queue), []);
  t.notOk(JSON.stringify(started.events).includes(access.secretAccessKey));
});

t.test('work of a runner that is killed is started by another within a lease, counted', async t => {
  const scene = open(t);
  if (!scene) return;
  const { sqs, queue, runner, send, experiment } = scene;
  await sqs.create(queue);
  // Each by another way to its credentials.
  const first = runner({ SQS_CERTS: scene.certs });
  await send([experiment('hang')]);
  await eventually(() => assert.ok(first.events.some(({ event }) => event === 'started')), { timeoutMs: 60_000 });
  const second = runner({ AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_DEFAULT_REGION: 'us-east-1' });
  const done = second.next(isFinal);
  await eventually(() => assert.ok(second.events.some(({ event }) => event === 'queue-found')), { timeoutMs: 60_000 });
  const killedAt = performance.now();
  first.signal('SIGKILL');
  const [end] = await done;
  t.comment(`another runner had finished it after ${((performance.now() - killedAt) / 1000).toFixed(1)} s`);
  t.match(end, { settlement: 'accept', cause: 'completed' });
  t.equal(second.events.filter(({ event }) => event === 'started').length, 1);
  t.equal(await second.stop(), 0);
  t.strictSame(await sqs.drain(queue), []);
});
