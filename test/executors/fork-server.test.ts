import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { createForkServer, forksWith, type ForkServer } from '../../lib/executors/fork-server.ts';
import { chooseInterpreter, findInterpreters } from '../../lib/executors/interpreters.ts';
import { startShell, type Shell } from '../../lib/executors/shells.ts';
import { withFewDescriptors } from '../helpers/no-descriptors.ts';
import { statusOf } from '../../lib/resources/process-status.ts';

const python = forksWith(chooseInterpreter(await findInterpreters(), '3'));
assert.ok(python, 'a Python of version 3.8 or newer is needed');

/** It ends with this process. */
const scene = (): ForkServer => createForkServer(python, Date.now);
const started = async (server: ForkServer): Promise<Shell & { readonly pid: number }> => {
  const shell = await server.start();
  shell.hold(true);
  return shell as Shell & { readonly pid: number };
};
const descriptorsOf = ({ pid }: Shell): string[] => readdirSync(`/proc/${String(pid)}/fd`).sort();
/** Past its own start, for which its loader opens files. */
const comesUp = async (shell: Shell): Promise<void> => {
  shell.stdin.write('echo up\n');
  await once(shell.stdout, 'data');
};
/** Let it run this, and read what it prints. */
const told = async (shell: Shell, script: string) => {
  shell.stdin.end(script);
  const [out, err, ended] = await Promise.all([text(shell.stdout), text(shell.stderr), shell.ended]);
  return { out, err, ended };
};

t.test('a shell does what it reads, and its end is told', async t => {
  const server = scene();
  const shell = await started(server);
  t.ok(shell.isAlive);
  t.match(await told(shell, 'echo hello; echo oops >&2; exit 7'), {
    out: 'hello\n',
    err: 'oops\n',
    ended: { code: 7, signal: null },
  });
  t.notOk(shell.isAlive);
  const killed = await started(server);
  process.kill(killed.pid, 'SIGKILL');
  t.strictSame(await killed.ended, { code: null, signal: 'SIGKILL' });
});

t.test('it has a session of its own, and nothing of this process or the fork server', async t => {
  const server = scene();
  const [first, shell] = [await started(server), await started(server)];
  t.match(statusOf(shell.pid), { session: shell.pid, group: shell.pid, parent: shell.parent });
  t.equal(readFileSync(`/proc/${String(shell.pid)}/environ`, 'latin1'), '');
  t.equal(readlinkSync(`/proc/${String(shell.pid)}/cwd`), '/');
  const ours = startShell(Date.now);
  await Promise.all([shell, ours].map(comesUp));
  t.strictSame(descriptorsOf(shell), descriptorsOf(ours), 'no descriptors of others');
  await told(ours, '');
  const { out } = await told(shell, 'exec grep -E "Sig(Ign|Blk)" /proc/self/status');
  // glibc lets go of two signals that are its own, 32 and 33.
  t.match(out, /SigBlk:\s+0+\nSigIgn:\s+0+[0-3]?[08]0{7}\n/, 'signals are as they are at first');
  await told(first, '');
});

t.test('it ends with its input, so with this process as well', async t => {
  const shell = await started(scene());
  shell.stdin.destroy();
  t.strictSame(await shell.ended, { code: 0, signal: null });
});

t.test('many at once get their own output and their own end', async t => {
  const server = scene();
  const numbers = Array.from({ length: 50 }, (_, n) => n);
  const all = await Promise.all(
    numbers.map(async n => told(await started(server), `echo ${String(n)}; exit ${String(n)}`)),
  );
  t.strictSame(
    all.map(({ out, ended }) => [out, ended.code]),
    numbers.map(n => [`${String(n)}\n`, n]),
  );
});

t.test('what prints more than a pipe holds is read whole', async t => {
  const { out, ended } = await told(await started(scene()), 'exec head -c 3000000 /dev/zero\n');
  t.equal(out.length, 3_000_000);
  t.equal(ended.code, 0);
});

t.test('signals that this process gets are not its own', async t => {
  const server = scene();
  const shell = await started(server);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(shell.parent, signal);
  t.match(await told(shell, 'echo still here'), { out: 'still here\n' });
  await told(await started(server), '');
});

t.test('when it is gone what it started goes on, and nobody can tell how that ends', async t => {
  const server = scene();
  const shell = await started(server);
  // So that it does not answer before it dies.
  process.kill(shell.parent, 'SIGSTOP');
  const waiting = server.start();
  process.kill(shell.parent, 'SIGKILL');
  await t.rejects(waiting, /has ended/);
  t.notOk(server.isRunning);
  await t.rejects(server.start(), /has ended/);
  t.ok(shell.isAlive);
  t.strictSame(await told(shell, 'echo done; exit 3'), {
    out: 'done\n',
    err: '',
    ended: { code: null, signal: null },
  });
});

t.test('a program that is no fork server is none', async t => {
  const server = createForkServer('/nowhere/python', Date.now);
  await t.rejects(server.start());
  t.notOk(server.isRunning);
  const other = createForkServer('/bin/true', Date.now);
  await t.rejects(other.start(), /has ended/);
});

t.test('without descriptors there is none', t => {
  const told = withFewDescriptors(
    { 'executors/fork-server.ts': 'createForkServer' },
    `
    exhaust();
    const server = createForkServer(${JSON.stringify(python)}, Date.now);
    console.log(JSON.stringify([server.isRunning, await codeOf(() => server.start())]));`,
  );
  t.strictSame(told, [false, 'EMFILE']);
  t.end();
});

t.test('it serves where os.posix_spawn is', t => {
  const one = (version: string) => forksWith({ path: '/python', version, hasPip: true });
  t.strictSame([one('3.7.17'), one('3.8.0'), one('3.13.1')], [undefined, '/python', '/python']);
  t.end();
});
