import { execFile } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { layOutCerts } from '../helpers/certs.ts';

const root = join(import.meta.dirname, '../..');
const recordings = join(root, 'fixtures/recordings');

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const replay = (t: Test, ...args: readonly string[]): Promise<Ended> =>
  new Promise(resolve => {
    const env = {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      CLEAR_TEXT_MESSAGES: 'true',
      WORKING_DIR: join(t.testdirName, 'work'),
    };
    execFile(join(root, 'bin/runner'), ['replay', ...args], { env, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    });
  });

/** A store with the artifacts that the recordings name. */
const store = (t: Test): string => {
  const directory = t.testdir({ work: {}, store: { studio: { blobstore: {} }, storage: { blobstore: {} } } });
  for (const bucket of ['studio', 'storage']) {
    cpSync(join(root, 'fixtures/artifacts'), join(directory, 'store', bucket, 'blobstore'), { recursive: true });
  }
  return join(directory, 'store');
};

t.test('recorded S3 requests run on another store, as old as they were', async t => {
  const directory = store(t);
  const ended = await replay(t, '--store', `s3://127.0.0.1:9000=file://${directory}`, join(recordings, 'sqs.ndjson'));
  t.match(ended, { code: 0, stdout: /accept +completed +sqs_demo/ });
  const [experiment = ''] = readdirSync(join(directory, 'studio/experiments'));
  t.strictSame(readdirSync(join(directory, 'studio/experiments', experiment)).sort(), ['modeldir.tar', 'output.tar']);
  const scrape = readdirSync(join(directory, 'studio/metadata')).find(name => name.startsWith('scrape-'));
  t.match(JSON.parse(readFileSync(join(directory, 'studio/metadata', scrape ?? ''), 'utf8')), {
    studioml: { status: 'completed', load_time: /^2026-11-23T/ },
  });
});

t.test('a recorded request of the local queue runs on another directory', async t => {
  const directory = store(t);
  const redirect = `file:///home/user/store=file://${directory}`;
  const ended = await replay(t, '--store', redirect, join(recordings, 'directory.ndjson'));
  t.match(ended, { code: 0, stdout: /accept +completed +local_demo/ });
  t.ok(existsSync(join(directory, 'storage/experiments')));
});

t.test('a recorded sealed request runs where its keys are', async t => {
  const directory = store(t);
  const certs = layOutCerts(join(t.testdirName, 'keys'));
  const ended = await replay(
    t,
    ...['--encrypt-dir', join(certs, 'message'), '--request-signatures-dir', join(certs, 'queues/signing')],
    ...['--store', `s3://127.0.0.1:9000=file://${directory}`, join(recordings, 'sealed.ndjson')],
  );
  t.match(ended, { code: 0, stdout: /accept +completed +rmq_demo/ });
  t.match(await replay(t, '--dry-run', '--certs-dir', certs, join(recordings, 'sealed.ndjson')), {
    code: 0,
    stdout: /a valid request/,
  });
  t.match(await replay(t, '--dry-run', '--certs-dir', certs, join(recordings, 'rabbitmq.ndjson')), {
    code: 1,
    stdout: /reject +clear-text-refused .*its queue has the key of a sender/,
  });
});

t.test('a directory of keys that is not there is told at once', async t => {
  store(t);
  const ended = await replay(t, '--certs-dir', 'nowhere', '--dry-run', join(recordings, 'sealed.ndjson'));
  t.match(ended, {
    code: 2,
    stdout: '',
    stderr:
      /^runner: --certs-dir \(CERTS_DIR\): found ".*nowhere", but there is no such directory; expected a directory of keys\n$/,
  });
});

t.test('measured by the real clock the recordings are over', async t => {
  store(t);
  const ended = await replay(t, '--now', join(recordings, 'sqs.ndjson'));
  t.match(ended, { code: 1, stdout: /accept +expired/ });
});

t.test('a dry run reads and starts nothing', async t => {
  store(t);
  const ended = await replay(
    t,
    '--dry-run',
    ...['directory', 'rabbitmq', 'sealed', 'sqs'].map(name => join(recordings, `${name}.ndjson`)),
  );
  t.equal(ended.code, 1, 'one of them is sealed, and there are no keys');
  t.equal(ended.stdout.match(/a valid request/g)?.length, 4);
  t.match(ended.stdout, /reject +bad-signature .* no key of a sender/);
  t.notOk(existsSync(join(t.testdirName, 'work', 'studioml-runner', 'experiments')));
});

t.test('a line that is no delivery is told with file and line', async t => {
  const directory = t.testdir({ work: {} });
  const file = join(directory, 'bad.ndjson');
  writeFileSync(file, '{"at": 1, "queue": "rmq_a", "body": "{}"}\n{"at": "yesterday"}\n');
  const ended = await replay(t, '--dry-run', file);
  t.equal(ended.code, 2);
  t.match(ended.stderr, /bad\.ndjson.*2.*at/s);
  t.notMatch(ended.stderr, / {4}at /, 'no stack');
});

t.test('what came before a line that is no delivery is told first', async t => {
  const directory = t.testdir({ work: {} });
  const file = join(directory, 'half.ndjson');
  writeFileSync(file, `${readFileSync(join(recordings, 'sqs.ndjson'), 'utf8')}half a li`);
  const ended = await replay(t, '--dry-run', file);
  t.match(ended, { code: 2, stdout: /a valid request/, stderr: /^runner: .*half\.ndjson, line 2: not JSON.*\n$/ });
});

t.test('outcomes come in the order of the recordings, aligned', async t => {
  const directory = store(t);
  const ended = await replay(
    t,
    ...['--store', `s3://127.0.0.1:9000=file://${directory}`, '--store', `file:///home/user/store=file://${directory}`],
    '--debug',
    ...['directory', 'rabbitmq', 'sealed', 'sqs'].map(name => join(recordings, `${name}.ndjson`)),
  );
  t.equal(ended.code, 1, 'one is sealed, one larger than this machine');
  const lines = ended.stdout.trimEnd().split('\n');
  t.strictSame(
    lines.map(line => line.trim().split(/ +/).slice(0, 4)),
    [
      ['1', 'accept', 'completed', 'local_demo'],
      ['2', 'accept', 'completed', 'rmq_demo'],
      ['3', 'release', 'no-room-ever', 'rmq_demo'],
      ['4', 'reject', 'bad-signature', 'rmq_demo'],
      ['5', 'accept', 'completed', 'sqs_demo'],
    ],
  );
  t.match(lines[3], /no key of a sender/);
  t.equal(new Set(lines.map(line => /(?:exited|more than|there is no)/.exec(line)?.index)).size, 1);
});

t.test('a name in a recording cannot steer the terminal', async t => {
  const directory = t.testdir({ work: {} });
  const file = join(directory, 'steering.ndjson');
  const recorded = readFileSync(join(recordings, 'sqs.ndjson'), 'utf8');
  const row = JSON.parse(recorded) as object;
  writeFileSync(file, JSON.stringify({ ...row, queue: 'sqs_\u001b[2Jx' }));
  t.notMatch((await replay(t, '--dry-run', file)).stdout, '\u001b');
});

t.test('what is wrong with the call is told at once', async t => {
  t.testdir({ work: {} });
  t.match(await replay(t), { code: 2, stderr: /no FILE was given/ });
  const ended = await replay(t, '--store', 'nonsense', '--dry-rum', 'a.ndjson', '--max-cores');
  t.match(ended, { code: 2, stdout: '' });
  t.match(ended.stderr, /^runner: --store: "nonsense" is not of the form/m);
  t.match(ended.stderr, /^runner: --dry-rum: there is no such option/m);
  t.match(ended.stderr, /^runner: --max-cores: a value is missing/m);
});

t.test('a recording that cannot be read is named', async t => {
  const directory = t.testdir({ work: {} });
  t.match(await replay(t, 'nowhere.ndjson'), {
    code: 2,
    stderr: /^runner: nowhere\.ndjson: there is no such file; expected a recording\n$/,
  });
  t.match(await replay(t, directory), { code: 2, stderr: /: it is a directory; expected a recording\n$/ });
});
