import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect } from 'amqplib';
import t, { type Test } from 'tap';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import { createS3Store } from '../../lib/storage/s3.ts';
import { collect, s3ClientStore, submit, usualOutputs, type ClientExperiment } from '../helpers/client.ts';
import { RunnerProcess, type EventLine } from '../helpers/runner-process.ts';
import { needService } from '../helpers/services.ts';

const programs = join(import.meta.dirname, '../../fixtures/programs');
const given = ['a b', "it's", 'x$HOME'];

interface ScrapedDocument {
  readonly studioml: {
    readonly experiment: { readonly key: string };
    readonly load_time: string;
    readonly log: readonly { readonly msg: string }[];
  };
}

const isFinal = (event: EventLine) =>
  event.event === 'settled' && (event['settlement'] === 'accept' || event['settlement'] === 'reject');

const runnerFor = (t: Test, env: Readonly<Record<string, string>>): RunnerProcess => {
  const runner = new RunnerProcess({ CLEAR_TEXT_MESSAGES: 'true', ...env });
  t.teardown(() => runner.stop());
  return runner;
};

const everything = (fails: boolean): ClientExperiment => ({
  workspace: join(programs, 'everything'),
  filename: 'main.py',
  args: fails ? [...given, '--fail'] : given,
  requirements: ['six==1.16.0'],
  mutable: usualOutputs,
});

/** The last metadata document of each experiment. */
const documentsIn = async (store: ObjectStore): Promise<Map<string, ScrapedDocument>> => {
  const documents = new Map<string, ScrapedDocument>();
  for await (const { key } of store.list('metadata/scrape-host-')) {
    const { body } = await store.get(key);
    const document = JSON.parse(await text(body)) as ScrapedDocument;
    const name = document.studioml.experiment.key;
    const other = documents.get(name);
    if (!other || other.studioml.load_time < document.studioml.load_time) documents.set(name, document);
  }
  return documents;
};

/** What the experiment printed, in order, as the output artifact has it. */
const expectedOutput = (args: readonly string[], labels: readonly string[]) => [
  `arguments ${JSON.stringify(args).replaceAll(',', ', ')}`,
  'six 1.16.0',
  'here workspace',
  `beside ${[...labels].sort().join(' ')}`,
  '{"experiment": {"loss": 0.5, "epochs": [1]}}',
  '[{"op": "add", "path": "/experiment/epochs/-", "value": 2}]',
];

const checkExperiment = (
  t: Test,
  fails: boolean,
  artifacts: Readonly<Record<string, string | null>>,
  document: ScrapedDocument | undefined,
) => {
  const args = fails ? [...given, '--fail'] : given;
  for (const label of ['modeldir', 'retval', 'tb']) {
    t.equal(readFileSync(join(artifacts[label] ?? '', `${label}.txt`), 'utf8'), `${label} of a b\n`);
  }
  const lines = readFileSync(join(artifacts['output'] ?? '', 'output'), 'utf8').split('\n');
  // An experiment that was tried again finds the output of earlier attempts before its own.
  const start = lines.findLastIndex(line => line.startsWith('arguments '));
  const labels = ['workspace', '_runner', ...usualOutputs];
  t.strictSame(lines.slice(start, start + 6), expectedOutput(args, labels));
  const counted = lines.slice(start + 6).filter(line => line.startsWith('line '));
  t.strictSame(
    counted,
    Array.from({ length: 30 }, (_, number) => `line ${String(number)}`),
    'both streams in the order of arrival',
  );
  t.match(document, {
    experiment: { loss: 0.5, epochs: [1, 2] },
    studioml: {
      status: fails ? 'failed' : 'completed',
      exit_code: fails ? 1 : 0,
      host: String,
      artifacts: { output: String },
    },
  });
  const log = (document?.studioml.log ?? []).map(entry => entry.msg);
  t.equal(log[0], 'Init');
  t.equal(log.at(-1), 'Stop');
  t.ok(log.includes('line 29'));
};

t.test('ten experiments of the real client through RabbitMQ and S3, two of which fail', async t => {
  const python = needService(t, 'TEST_CLIENT_PYTHON');
  const amqpUrl = python && needService(t, 'TEST_AMQP_URL');
  const managementUrl = amqpUrl && needService(t, 'TEST_AMQP_MGT_URL');
  const s3Url = managementUrl && needService(t, 'TEST_S3_URL');
  if (!python || !amqpUrl || !managementUrl || !s3Url) return;
  const directory = t.testdir({ home: {}, work: {} });
  const queue = `rmq_e2e_${String(process.pid)}`;
  const bucket = `e2e-${String(process.pid)}`;
  const session = { python, home: join(directory, 'home'), store: s3ClientStore(s3Url, bucket) };
  const broker = await connect(amqpUrl, { noDelay: true });
  const channel = await broker.createChannel();
  t.teardown(async () => {
    await channel.deleteQueue(queue);
    await channel.deleteQueue(`studioml.dead.${queue}`);
    await broker.close();
  });

  const runner = runnerFor(t, {
    AMQP_URL: amqpUrl,
    AMQP_MGT_URL: managementUrl,
    QUEUE_MATCH: `^${queue}$`,
    WORKING_DIR: join(directory, 'work'),
  });
  const done = runner.next(isFinal, 10, 240_000);
  const experiments = Array.from({ length: 10 }, (_, index) => everything(index % 5 === 4));
  const submittedAt = performance.now();
  const keys = await submit(t, { ...session, amqpUrl, queue, experiments });
  const ends = new Map((await done).map(event => [event.experiment, event]));
  t.comment(`submitted and settled in ${((performance.now() - submittedAt) / 1000).toFixed(1)} s`);

  const collected = await collect(t, { ...session, keys, directory: join(directory, 'back') });
  const url = new URL(s3Url);
  const store = createS3Store({
    endpoint: url.origin,
    region: 'us-east-1',
    bucket,
    credentials: { type: 'aws', accessKey: url.username, secretAccessKey: url.password },
  });
  const documents = await documentsIn(store);
  for (const [index, key] of keys.entries()) {
    const fails = index % 5 === 4;
    t.match(ends.get(key), { settlement: fails ? 'reject' : 'accept', cause: fails ? 'exited' : 'completed' });
    checkExperiment(t, fails, collected[key]?.artifacts ?? {}, documents.get(key));
  }
  t.notOk(JSON.stringify([...documents.values()]).includes(url.password), 'no credentials in a document');
  for await (const { key } of store.list('metadata/request-host-')) {
    const { body } = await store.get(key);
    t.notOk((await text(body)).includes(`"${url.password}"`), 'no credentials in a stored request');
  }
  const left = await channel.checkQueue(queue);
  t.equal(left.messageCount, 0);
  t.equal((await channel.checkQueue(`studioml.dead.${queue}`)).messageCount, 2);
  t.equal(await runner.stop(), 0);
  t.strictSame(
    runner.events.filter(event => event['level'] === 'error'),
    [],
  );
});

t.test('the same client through its local queue and its local store', async t => {
  const python = needService(t, 'TEST_CLIENT_PYTHON');
  if (!python) return;
  const directory = t.testdir({ home: { queue: {} }, work: {}, store: {} });
  const home = join(directory, 'home');
  const store = {
    type: 'local',
    directory: join(directory, 'store'),
    bucket: 'storage',
    metadataBucket: 'db',
  } as const;
  const runner = runnerFor(t, {
    QUEUE_ROOT: join(home, 'queue'),
    QUEUE_MATCH: '^local_e2e$',
    WORKING_DIR: join(directory, 'work'),
  });
  const done = runner.next(isFinal, 2, 120_000);
  const keys = await submit(t, {
    python,
    home,
    store,
    queue: 'local_e2e',
    experiments: [everything(false), everything(true)],
  });
  await done;
  const collected = await collect(t, { python, home, store, keys, directory: join(directory, 'back') });
  const documents = await documentsIn(createDirectoryStore({ root: join(store.directory, store.bucket) }));
  for (const [index, key] of keys.entries()) {
    checkExperiment(t, index === 1, collected[key]?.artifacts ?? {}, documents.get(key));
  }
  t.ok(existsSync(join(home, 'queue', '.dead', 'local_e2e')));
  t.equal(await runner.stop(), 0);
});

t.test("a completion service's round trip", async t => {
  const python = needService(t, 'TEST_CLIENT_PYTHON');
  if (!python) return;
  const directory = t.testdir({
    home: { queue: {} },
    work: {},
    store: {},
    'given.json': '{"x": 20, "y": 22}',
    'function.py': 'def clientFunction(x, y):\n    return x + y\n',
  });
  const home = join(directory, 'home');
  const store = {
    type: 'local',
    directory: join(directory, 'store'),
    bucket: 'storage',
    metadataBucket: 'db',
  } as const;
  const runner = runnerFor(t, {
    QUEUE_ROOT: join(home, 'queue'),
    QUEUE_MATCH: '^local_',
    WORKING_DIR: join(directory, 'work'),
  });
  const done = runner.next(isFinal, 1, 60_000);
  const [key = ''] = await submit(t, {
    python,
    home,
    store,
    queue: 'local_completion',
    experiments: [
      {
        workspace: join(programs, 'completion'),
        filename: 'main.py',
        inputs: { args: join(directory, 'given.json'), clientscript: join(directory, 'function.py') },
        mutable: usualOutputs,
      },
    ],
  });
  t.match(await done, [{ settlement: 'accept', cause: 'completed' }]);
  const collected = await collect(t, { python, home, store, keys: [key], directory: join(directory, 'back') });
  const returned = collected[key]?.artifacts['retval'] ?? '';
  t.strictSame(JSON.parse(readFileSync(join(returned, 'retval'), 'utf8')), {
    beside: ['_metadata', '_runner', 'args', 'clientscript', 'modeldir', 'output', 'retval', 'tb', 'workspace'],
    result: 42,
  });
});
