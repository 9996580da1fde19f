import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { commandHelp, generalHelp } from '../../bin/help.ts';
import { commands, type CommandName } from '../../bin/commands.ts';

const main = fileURLToPath(new URL('../../bin/main.ts', import.meta.url));
const run = (args: readonly string[], env: Record<string, string> = {}) =>
  new Promise<{ code: number; stdout: string; stderr: string }>(resolve => {
    execFile(
      process.execPath,
      [main, ...args],
      { env: { PATH: process.env['PATH'], ...env } },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      },
    );
  });

t.test('--version is the one of package.json', async t => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  t.same(await run(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
});

t.test('--help tells commands, options and exit codes', async t => {
  const { code, stdout } = await run(['--help'], { COLUMNS: '80' });
  t.equal(code, 0);
  t.match(stdout, /^Usage: runner[^]*Commands:\n {2}serve [^]*--amqp-url[^]*Exit codes:\n {2}0 /);
  t.same(
    stdout.split('\n').filter(line => [...line].length > 80),
    [],
  );
});

t.test('each command has a help of its own', async t => {
  for (const name of Object.keys(commands) as CommandName[])
    t.match(commandHelp(name, 100), new RegExp(`^Usage: runner ${name}\\b[^]*Example:\\n  [^]*Exit codes:`));
  t.equal((await run(['help', 'demo'])).stdout, (await run(['demo', '--help'])).stdout);
  t.match(generalHelp(100), /replay {6}\S/);
});

t.test('what follows -- is for the program: no help is told for it', async t => {
  t.match(await run(['submit', '--', '--help', '-V']), { code: 2, stdout: '', stderr: /found 0 workspaces/ });
});

t.test('a command tells the options that have a meaning for it', async t => {
  t.match(commandHelp('why', 100), /--status-token[^]*--prom-address/);
  t.notMatch(commandHelp('why', 100), /--amqp-url|^Queues:/m);
  t.match(commandHelp('submit', 100), /--pubsub-project[^]*with --follow {2}that of the experiment/);
});

t.test('who stops reading ends a command quietly', async t => {
  // One that prints now and again: what prints once may be over before it hears.
  const script = '"$0" "$1" check --queue-root "$2"; echo "$?" >&2';
  const pipe = promisify(execFile)('sh', ['-c', script, process.execPath, main, t.testdir({})], {
    env: { PATH: process.env['PATH'] },
  });
  pipe.child.stdout?.destroy();
  // tap follows SIGINT in what it starts, and then it is that which ends it.
  t.match(await pipe, { stderr: /^(141|130)\n$/ });
});

t.test('a disk that takes nothing of what a command prints is told in one line', async t => {
  const out = t.testdir({});
  for (const words of [['--help'], ['check', '--queue-root', out], ['keys', 'sender', '--out', `${out}/certs`]]) {
    const full = promisify(execFile)('sh', ['-c', '"$0" "$@" >/dev/full', process.execPath, main, ...words], {
      env: { PATH: process.env['PATH'] },
    });
    const stderr = 'runner: stdout can not be written to: ENOSPC: no space left on device, write\n';
    await t.rejects(full, { code: 1, stderr });
  }
});

t.test('help for what is no command, and words after demo, are refused', async t => {
  t.match(await run(['help', 'chekc']), { code: 2, stdout: '', stderr: /did you mean check\?\n$/ });
  t.match(await run(['demo', '--fast']), {
    code: 2,
    stdout: '',
    stderr: 'runner: demo: found "--fast", expected nothing after it\n',
  });
});

t.test('an unknown command is refused with the nearest name', async t => {
  t.same(await run(['chekc']), {
    code: 2,
    stdout: '',
    stderr: 'runner: there is no command "chekc"; did you mean check?\n',
  });
});

t.test('options that can not be used end serve with 2, one line each on stderr', async t => {
  t.same(await run(['--max-cores=x'], { QUEUE_ROOT: '/q', MAX_MEM: 'lots' }), {
    code: 2,
    stdout: '',
    stderr:
      'runner: --max-cores (MAX_CORES): found "x" on the command line, expected a whole number\n' +
      'runner: --max-mem (MAX_MEM): found "lots" in the environment, expected a size such as 3gb, 512mib, 0\n',
  });
});
