/** The real client stops experiments that run, and reads what became of those that ended. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'amqplib';
import t, { type Test } from 'tap';
import { collect, s3ClientStore, stopExperiment, submit, usualOutputs } from '../helpers/client.ts';
import type { ClientStore } from '../helpers/client.ts';
import { RunnerProcess, type EventLine } from '../helpers/runner-process.ts';
import { needService } from '../helpers/services.ts';

const program = `import os, sys, time
print('begun', flush=True)
open('../modeldir/model', 'w').write('half a model')
while 'forever' in sys.argv: time.sleep(0.1)
`;

const files = { program: { 'main.py': program }, work: {} };

interface Place {
  readonly python: string;
  /** With `program` and `work` in it. */
  readonly directory: string;
  readonly home: string;
  readonly store: ClientStore;
  readonly queue: string;
  readonly amqpUrl?: string;
  readonly env: Readonly<Record<string, string>>;
}

const settledOf = (runner: RunnerProcess, key: string) =>
  runner.next((event: EventLine) => event.event === 'settled' && event.experiment === key);

/** One that ends by itself and one that its user stops, through the whole runner. */
const runBoth = async (t: Test, { python, directory, home, store, queue, amqpUrl, env }: Place) => {
  const session = { python, home, store };
  const runner = new RunnerProcess({ WORKING_DIR: join(directory, 'work'), CLEAR_TEXT_MESSAGES: 'true', ...env });
  t.teardown(() => runner.stop());
  await runner.next(({ event }) => event === 'runner-started');
  const one = (...args: string[]) =>
    submit(t, {
      ...session,
      queue,
      ...(amqpUrl === undefined ? {} : { amqpUrl }),
      experiments: [
        { workspace: join(directory, 'program'), filename: 'main.py', args, pythonver: '3', mutable: usualOutputs },
      ],
    });

  const ended = runner.next(({ event }) => event === 'settled');
  const [whole = ''] = await one();
  t.match(await ended, [{ experiment: whole, settlement: 'accept', cause: 'completed' }]);

  const started = runner.next(({ event }) => event === 'started');
  const [forever = ''] = await one('forever');
  await started;
  const stopped = settledOf(runner, forever);
  const cancelled = runner.next(({ event }) => event === 'cancelled');
  await stopExperiment(t, { ...session, key: forever });
  const askedAtMs = performance.now();
  t.match(await stopped, [{ settlement: 'accept', cause: 'cancelled' }]);
  const tookMs = performance.now() - askedAtMs;
  t.ok(tookMs < 15_000, `it took ${String(Math.round(tookMs))} ms`);
  t.match(await cancelled, [{ experiment: forever, by: 'metadata store' }]);

  const found = await collect(t, { ...session, keys: [whole, forever], directory: join(directory, 'back') });
  t.match(found[whole], { status: 'finished', times: { added: Number, started: Number, finished: Number } });
  t.match(found[forever], { status: 'stopped', times: { started: Number, finished: Number } });
  for (const key of [whole, forever]) {
    const { times, artifacts = {} } = found[key] ?? {};
    t.ok(Number(times?.added) <= Number(times?.started));
    t.ok(Number(times?.started) <= Number(times?.finished));
    t.equal(readFileSync(join(artifacts['output'] ?? '', 'output'), 'utf8').split('\n')[0], 'begun');
    t.equal(readFileSync(join(artifacts['modeldir'] ?? '', 'model'), 'utf8'), 'half a model');
  }
  return runner;
};

t.test('through RabbitMQ and S3', { timeout: 120_000 }, async t => {
  const python = needService(t, 'TEST_CLIENT_PYTHON');
  const amqpUrl = python && needService(t, 'TEST_AMQP_URL');
  const managementUrl = amqpUrl && needService(t, 'TEST_AMQP_MGT_URL');
  const s3Url = managementUrl && needService(t, 'TEST_S3_URL');
  if (!python || !amqpUrl || !managementUrl || !s3Url) return;
  const queue = `rmq_cancel_${String(process.pid)}`;
  const broker = await connect(amqpUrl, { noDelay: true });
  const channel = await broker.createChannel();
  t.teardown(async () => {
    await channel.deleteQueue(queue);
    await broker.close();
  });
  const directory = t.testdir({ ...files, home: {} });
  await runBoth(t, {
    python,
    directory,
    home: join(directory, 'home'),
    store: s3ClientStore(s3Url, `cancel-${String(process.pid)}`),
    queue,
    amqpUrl,
    env: { AMQP_URL: amqpUrl, AMQP_MGT_URL: managementUrl, QUEUE_MATCH: `^${queue}$` },
  });
  t.equal((await channel.checkQueue(queue)).messageCount, 0, 'no message is left');
});

t.test('through directories', { timeout: 120_000 }, async t => {
  const python = needService(t, 'TEST_CLIENT_PYTHON');
  if (!python) return;
  const directory = t.testdir({ ...files, home: { queue: { local_cancel: {} } }, store: {} });
  const home = join(directory, 'home');
  await runBoth(t, {
    python,
    directory,
    home,
    store: { type: 'local', directory: join(directory, 'store'), bucket: 'storage', metadataBucket: 'db' },
    queue: 'local_cancel',
    env: { QUEUE_ROOT: join(home, 'queue'), QUEUE_MATCH: '^local_cancel$' },
  });
  t.ok(existsSync(join(directory, 'store/db/experiments')));
});
