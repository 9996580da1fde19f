/** `runner submit` with Google's stores and queues. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { needGcs, serviceAccount } from '../helpers/gcs.ts';
import { openPubsub } from '../helpers/pubsub.ts';
import { jsonLines, runCommand } from '../helpers/run-command.ts';
import { RunnerProcess } from '../helpers/runner-process.ts';
import { needService } from '../helpers/services.ts';

const scene = (t: Test) => t.testdir({ program: { 'main.py': "print('it ran')\n" }, queues: {}, store: {}, work: {} });

t.test('Cloud Storage: followed to its end, with a service account and with default credentials', async t => {
  const gcs = await needGcs(t);
  if (!gcs) return;
  const directory = scene(t);
  const account = join(directory, 'account.json');
  writeFileSync(account, serviceAccount().json);
  const env = { QUEUE_ROOT: join(directory, 'queues'), STORAGE_EMULATOR_HOST: gcs.endpoint };
  const runner = new RunnerProcess({
    ...env,
    WORKING_DIR: join(directory, 'work'),
    CLEAR_TEXT_MESSAGES: 'true',
    ALLOW_RUNNER_CREDENTIALS: 'true',
  });
  t.teardown(() => runner.stop());
  const words = ['submit', join(directory, 'program'), '--queue', 'local_gcs', '--store', `gs://${gcs.bucket}`];
  for (const credentials of [['--service-account', account], []]) {
    const ended = await runCommand([...words, ...credentials, '--ram=64mb', '--hdd=64mb', '--follow', '--json'], env);
    t.equal(ended.code, 0, ended.stderr);
    const [told] = jsonLines<{ key: string; store: string; status: string }>(ended);
    t.match(told, { store: `gs://${gcs.bucket}`, status: 'finished' });
    t.match(ended.stderr, /it ran\n/);
    const record = await text((await gcs.open().get(`experiments/${told?.key ?? ''}`)).body);
    t.match(JSON.parse(record), { status: 'finished', time_finished: Number });
  }
  t.match(await runCommand([...words, '--service-account', join(directory, 'program/main.py')], env), {
    code: 2,
    stderr: /^runner: --service-account: .* expected the JSON of a service account[^\n]*\n$/,
  });
});

t.test('Pub/Sub: topic and subscription are made, and hold the request', async t => {
  const host = needService(t, 'TEST_PUBSUB_HOST');
  if (host === undefined) return;
  const directory = scene(t);
  const { project, subscriber } = openPubsub(t, host);
  const ended = await runCommand(
    [
      'submit',
      join(directory, 'program'),
      '--queue',
      'pubsub_new',
      '--store',
      join(directory, 'store/bucket'),
      '--key=k',
    ],
    { PUBSUB_PROJECT: project, PUBSUB_EMULATOR_HOST: host },
  );
  t.match(ended, { code: 0, stderr: '' });
  const [{ receivedMessages }] = await subscriber.pull({
    subscription: `projects/${project}/subscriptions/pubsub_new`,
    maxMessages: 1,
  });
  const { experiment } = JSON.parse(String(receivedMessages?.[0]?.message?.data)) as { experiment: { key: string } };
  t.equal(experiment.key, 'k');
});
