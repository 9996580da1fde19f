import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';

const root = join(import.meta.dirname, '../..');

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A person's machine: an empty home, a temporary directory of its own, Node and the system's programs. */
const demo = (t: Test, more: Readonly<Record<string, string>> = {}): Promise<Ended> => {
  const directory = t.testdir({ home: {}, tmp: {}, bin: {} });
  for (const path of [process.execPath, '/bin/sh', '/usr/bin/dirname']) {
    symlinkSync(path, join(directory, 'bin', basename(path)));
  }
  const env = {
    PATH: `${join(directory, 'bin')}:/usr/bin:/bin`,
    HOME: join(directory, 'home'),
    TMPDIR: join(directory, 'tmp'),
    ...more,
  };
  return new Promise(resolve => {
    execFile(join(root, 'bin/runner'), ['demo'], { env, timeout: 90_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
};

/** Processes whose working directory is below `directory`. */
const processesBelow = (directory: string): readonly string[] =>
  readdirSync('/proc').filter(name => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readlinkSync(`/proc/${name}/cwd`).startsWith(directory);
    } catch {
      return false;
    }
  });

t.test(
  'three experiments run on a bare Python and an empty home, and the summary shows where their results are',
  async t => {
    const ended = await demo(t);
    t.match(ended, { code: 0, stderr: '' });
    t.notMatch(ended.stdout, /^\S+ [!✗] /m, 'no event is a warning');
    t.match(ended.stdout, /✓ hello /);
    t.match(ended.stdout, /✓ train /);
    t.match(ended.stdout, /✓ fail /);
    t.match(ended.stdout, /metadata {2}\{.*\}/, 'the document of one that prints metadata');
    const results = [...ended.stdout.matchAll(/^ +results +(\/.*)$/gm)].map(([, path = '']) => path);
    t.equal(results.length, 3);
    for (const path of results) t.ok(existsSync(join(path, 'output.tar')), `${path} holds output.tar`);
    const dead = /dead letters +(\/.*)/.exec(ended.stdout)?.[1] ?? '';
    t.ok(readdirSync(dead).length > 0, 'the one that fails is a dead letter');
    t.strictSame(readdirSync(join(t.testdirName, 'home')), [], 'the home is left as it was');
    t.strictSame(processesBelow(t.testdirName), [], 'nothing is left running');
  },
);

t.test('what the caller has configured for its own runner does not reach the demo', async t => {
  const elsewhere = join(t.testdirName, 'elsewhere');
  const ended = await demo(t, {
    QUEUE_MATCH: '^none$',
    QUEUE_ROOT: elsewhere,
    AMQP_URL: 'amqp://user:secret@127.0.0.1:1/',
    S3_CA: '/nowhere',
    ENCRYPT_DIR: '/nowhere',
    SQS_CERTS: '/nowhere',
    EVENTS: join(t.testdirName, 'events'),
    MAX_CORES: '0',
    MAX_MEM: 'nonsense',
    FILE_ROOTS: '/nowhere',
    CLEAR_TEXT_MESSAGES: 'false',
    DEBUG: 'true',
  });
  t.match(ended, { code: 0, stderr: '' });
  t.notOk(existsSync(elsewhere));
  t.notOk(existsSync(join(t.testdirName, 'events')));
});

t.test('where no Python is, it says so and ends', async t => {
  const ended = await demo(t, { PATH: join(t.testdirName, 'bin') });
  t.match(ended, { code: 1, stderr: '' });
  t.match(ended.stdout, /✗ hello +no Python 3 on this machine/);
  t.match(ended.stdout, /3 of 3 experiments did not end as they had to/);
});

t.test('a demo that cannot make its directory says so', async t => {
  const ended = await demo(t, { TMPDIR: '/nowhere/at/all' });
  t.equal(ended.code, 1);
  t.match(ended.stderr, /^runner: .*\/nowhere\/at\/all.*\n$/);
});
