import { strict as assert } from 'node:assert';
import { getEventListeners } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { AttemptError } from '../../lib/errors.ts';
import { startProcess, type ProcessSettings } from '../../lib/executors/process.ts';
import type { Run } from '../../lib/model/attempt.ts';
import { eventually } from '../helpers/eventually.ts';
import { withFewDescriptors } from '../helpers/no-descriptors.ts';

const programs = join(import.meta.dirname, '../../fixtures/experiments');
let count = 0;

const start = (t: Test, file: string, args: readonly string[], over: Partial<ProcessSettings> = {}): Promise<Run> => {
  const id = `test-${String(process.pid)}-${String((count += 1))}`;
  const kill = new AbortController();
  t.teardown(() => {
    kill.abort();
  });
  return startProcess(
    { file, args, cwd: programs, env: { PATH: process.env['PATH'] ?? '', STUDIOML_EXPERIMENT: id } },
    {
      signal: new AbortController().signal,
      graceMs: 5000,
      kill: kill.signal,
      marker: `STUDIOML_EXPERIMENT=${id}`,
      ...over,
    },
  );
};
const python = (t: Test, program: string, over: Partial<ProcessSettings> = {}) =>
  start(t, '/usr/bin/env', ['python3', program], over);
const isAlive = (pid: number) => existsSync(`/proc/${String(pid)}/exe`);
const firstLine = async (stream: Readable): Promise<string> => {
  let seen = '';
  for await (const chunk of stream.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    seen += chunk as string;
    if (seen.includes('\n')) break;
  }
  stream.resume();
  return seen.trim();
};

t.test('the exit code and both streams of a program arrive', async t => {
  const run = await start(t, '/bin/sh', ['-c', 'echo out; echo err >&2; exit 3']);
  const [out, err, exit] = await Promise.all([text(run.stdout), text(run.stderr), run.exit]);
  t.strictSame([out, err], ['out\n', 'err\n']);
  t.match(exit, { code: 3, signal: null });
  t.notOk('stoppedBy' in exit);
  t.ok(exit.endedAtMs >= exit.startedAtMs);
});

t.test("the exit code of Python is the run's", async t => {
  t.match(await (await python(t, 'exit-3.py')).exit, { code: 3, signal: null });
});

t.test('a program that dies by a signal is told by that signal', async t => {
  t.match(await (await python(t, 'kills-itself.py')).exit, { code: null, signal: 'SIGSEGV' });
});

t.test('standard input is empty', async t => {
  t.equal(await text((await python(t, 'reads-stdin.py')).stdout), '0\n');
});

t.test('a program that is not there is named', async t => {
  await t.rejects(start(t, '/nowhere/python', []), { code: 'no-such-program', message: /\/nowhere\/python/ });
});

t.test('a machine that has no descriptor left is named, whatever was to be started', t => {
  const told = withFewDescriptors(
    {
      'executors/process.ts': 'startProcess',
      'executors/installer.ts': 'install',
      'workspace/encoders.ts': 'bzip2By',
      'resources/gpu/follow-memory.ts': 'createFollowMemory',
    },
    `
    const { signal } = new AbortController();
    const command = { file: '/bin/true', args: [], cwd: '/', env: {} };
    const interpreter = { path: '/bin/true', version: '3.9.0', hasPip: true };
    const installed = { interpreter, requirements: [], target: '/', scratch: process.argv[1], env: {}, log: '/dev/null', signal };
    exhaust();
    closeSync(taken.pop());
    const codes = [
      await codeOf(() => startProcess(command, { signal, graceMs: 0, marker: 'A=b' })),
      await codeOf(() => install(installed)),
      await codeOf(() => bzip2By('/bin/true')((async function* () {})()).next()),
      await codeOf(() => createFollowMemory('/bin/true')(() => undefined)()),
    ];
    await new Promise(resolve => setTimeout(resolve, 10));
    console.log(JSON.stringify(codes));`,
    t.testdir(),
  );
  t.strictSame(told, ['engine-fault', 'engine-fault', 'EMFILE', 'undefined']);
  t.end();
});

t.test('nothing is started for an attempt that must stop already', async t => {
  const signal = AbortSignal.abort(new AttemptError('lease-lost', 'gone'));
  await t.rejects(start(t, '/bin/true', [], { signal }), { code: 'lease-lost' });
});

for (const program of ['own-session.py', 'own-session-deaf.py', 'daemon.py', 'sleeping-child.py']) {
  t.test(`nothing is left once ${program} has ended by itself`, async t => {
    const run = await python(t, program, { graceMs: 200 });
    const pid = Number(await firstLine(run.stdout));
    t.ok(pid > 0, 'it told which process it leaves behind');
    const exit = await run.exit;
    t.match(exit, { code: 0, signal: null });
    t.notOk('stoppedBy' in exit, 'it was not stopped: only what it left behind was');
    t.notOk(isAlive(pid));
  });
}

t.test('a program that heeds SIGTERM ends without waiting for the grace', async t => {
  const run = await start(t, '/bin/sleep', ['600'], { graceMs: 600_000 });
  run.stop('cancelled');
  t.match(await run.exit, { code: null, signal: 'SIGTERM', stoppedBy: 'cancelled' });
});

t.test('a program that ignores SIGTERM gets SIGKILL after the grace', async t => {
  const run = await python(t, 'ignores-sigterm.py', { graceMs: 100 });
  await firstLine(run.stdout);
  const stoppedAt = performance.now();
  run.stop('cancelled');
  t.match(await run.exit, { signal: 'SIGKILL', stoppedBy: 'cancelled' });
  t.ok(performance.now() - stoppedAt >= 95);
});

t.test('stop reaches a child with a session and an environment of its own', async t => {
  const run = await python(t, 'forgets-itself.py');
  const pid = Number(await firstLine(run.stdout));
  t.ok(isAlive(pid));
  run.stop('cancelled');
  await run.exit;
  t.notOk(isAlive(pid));
});

t.test('the first reason wins', async t => {
  const stop = new AbortController();
  const run = await start(t, '/bin/sleep', ['600'], { signal: stop.signal });
  run.stop('out-of-disk');
  stop.abort(new AttemptError('stopping', 'the runner stops'));
  run.stop('cancelled');
  t.match(await run.exit, { stoppedBy: 'out-of-disk' });
});

t.test("the reason of the attempt's signal is the cause", async t => {
  const stop = new AbortController();
  const run = await start(t, '/bin/sleep', ['600'], { signal: stop.signal });
  stop.abort(new AttemptError('lease-lost', 'somebody else has it'));
  t.match(await run.exit, { signal: 'SIGTERM', stoppedBy: 'lease-lost' });
});

t.test('a run that takes too long is stopped', async t => {
  const run = await start(t, '/bin/sleep', ['600'], { maxDurationMs: 50 });
  t.match(await run.exit, { signal: 'SIGTERM', stoppedBy: 'max-duration' });
});

t.test('kill ends it without a grace', async t => {
  const kill = new AbortController();
  const run = await python(t, 'ignores-sigterm.py', { kill: kill.signal, graceMs: 600_000 });
  await firstLine(run.stdout);
  run.stop('cancelled');
  kill.abort();
  t.match(await run.exit, { signal: 'SIGKILL', stoppedBy: 'cancelled' });
});

t.test('no listener stays on the signals', async t => {
  const signal = new AbortController().signal;
  const kill = new AbortController().signal;
  await (
    await start(t, '/bin/true', [], { signal, kill })
  ).exit;
  t.strictSame([getEventListeners(signal, 'abort'), getEventListeners(kill, 'abort')], [[], []]);
});

t.test('a stop after the end does nothing', async t => {
  const run = await start(t, '/bin/true', []);
  const exit = await run.exit;
  run.stop('cancelled');
  t.match(exit, { code: 0 });
  t.notOk('stoppedBy' in exit);
});

t.test('another program of the machine is left alone', async t => {
  const other = await start(t, '/bin/sleep', ['600']);
  const run = await python(t, 'daemon.py', { graceMs: 100 });
  await run.exit;
  await eventually(() => {
    assert.ok(isAlive(other.pid ?? 0));
  });
  other.stop('cancelled');
  await other.exit;
});
