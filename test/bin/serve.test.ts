import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';

const root = join(import.meta.dirname, '../..');

/** Runs until there is a file. */
const untilThere = (file: string) =>
  `import os, time\nwhile not os.path.exists(${JSON.stringify(file)}): time.sleep(0.02)\n`;

/** Ignores SIGTERM, and makes a file when it does so. */
const deaf = (file: string) =>
  `import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen(${JSON.stringify(file)}, "w").close()\ntime.sleep(600)\n`;

/** Until an experiment's process is there. */
const started = async (scene: PipelineScene, key: string): Promise<number> => {
  const { pid } = await scene.event(event => event.event === 'started' && event.experiment === key);
  return Number(pid);
};

const isRunning = (pid: number): boolean => existsSync(`/proc/${String(pid)}`);

/** A runner whose stdout is the test's to read or not. */
const serve = (t: Test, env: Readonly<Record<string, string>>, args: readonly string[] = []) => {
  const child = spawn(join(root, 'bin/runner'), [...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], WORKING_DIR: t.testdirName, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
};

t.test('an idle runner runs what comes, and SIGTERM ends it with 0', async t => {
  const scene = new PipelineScene(t);
  t.match(await scene.runGood(), { cause: 'completed', output: /it ran/ });
  t.equal(await scene.runner.stop(), 0);
  t.strictSame(scene.waiting(), []);
  t.strictSame(scene.leftovers(), []);
  t.match(scene.runner.events.at(-1), { event: 'runner-stopped', settled: 1 });
});

t.test('CPU_PROFILE: a profile of the runner is there when it has ended', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'runner-profile-'));
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  const file = join(directory, 'of-this-run.cpuprofile');
  const scene = new PipelineScene(t, { CPU_PROFILE: file });
  await scene.runGood();
  t.equal(await scene.runner.stop(), 0);
  const profile = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly url: string } }[];
    readonly startTime: number;
    readonly endTime: number;
    readonly samples: readonly number[];
    readonly timeDeltas: readonly number[];
  };
  t.ok(profile.endTime > profile.startTime);
  t.ok(profile.samples.length > 0 && profile.samples.length === profile.timeDeltas.length);
  const ids = new Set(profile.nodes.map(({ id }) => id));
  t.ok(
    profile.samples.every(id => ids.has(id)),
    'each sample is of a node',
  );
  t.ok(
    profile.nodes.some(({ callFrame }) => callFrame.url.includes('/lib/')),
    'of the code of the runner',
  );
});

t.test('a profile that can not be written is said, and changes nothing else', async t => {
  const scene = new PipelineScene(t, { CPU_PROFILE: '/proc/no-such-place/x.cpuprofile' });
  await scene.event(({ event }) => event === 'runner-started');
  t.equal(await scene.runner.stop(), 0);
  t.match(scene.runner.errors, /^runner: --cpu-profile \(CPU_PROFILE\): can not be written to: .*\n$/);
});

t.test('SIGTERM gives running work back', async t => {
  const scene = new PipelineScene(t);
  const key = await scene.submit({ program: 'import time\nprint("ready", flush=True)\ntime.sleep(600)\n' });
  const pid = await started(scene, key);
  t.equal(await scene.runner.stop(), 0);
  t.match(await scene.settled(key), { settlement: 'release', cause: 'stopping' });
  t.equal(scene.waiting().length, 1);
  t.notOk(isRunning(pid));
});

t.test('a second SIGTERM ends at once an experiment that ignores the first, and gives its message back', async t => {
  const scene = new PipelineScene(t, { TERMINATION_GRACE: '60s' });
  const file = join(t.testdirName, 'ready');
  const key = await scene.submit({ program: deaf(file) });
  const pid = await started(scene, key);
  await eventually(() => assert.ok(existsSync(file)));
  scene.runner.signal('SIGTERM');
  await scene.event(event => event.event === 'runner-stopping');
  const sinceMs = performance.now();
  scene.runner.signal('SIGTERM');
  t.equal(await scene.runner.exited(), 0);
  t.ok(performance.now() - sinceMs < 10_000, 'nobody waits for the grace');
  t.equal(scene.waiting().length, 1);
  t.notOk(isRunning(pid));
});

t.test('within DRAIN_TIMEOUT an experiment ends by itself, and nothing new is taken', async t => {
  const scene = new PipelineScene(t, { DRAIN_TIMEOUT: '60s' });
  const file = join(t.testdirName, 'go-on');
  const key = await scene.submit({ program: untilThere(file) });
  await started(scene, key);
  scene.runner.signal('SIGTERM');
  await scene.event(event => event.event === 'runner-stopping');
  const late = await scene.submit({});
  writeFileSync(file, '');
  t.equal(await scene.runner.exited(), 0);
  t.match(await scene.settled(key), { settlement: 'accept', cause: 'completed' });
  t.equal(scene.waiting().length, 1, 'the one that came while it was stopping');
  t.notOk(scene.runner.events.some(event => event.experiment === late));
});

t.test('without leave for clear text the queue is named and left alone', async t => {
  const scene = new PipelineScene(t, { CLEAR_TEXT_MESSAGES: 'false' });
  await scene.submit({});
  t.match(await scene.event(event => event.event === 'queue-ignored'), { why: /CLEAR_TEXT_MESSAGES/ });
  t.equal(await scene.runner.stop(), 0);
  t.equal(scene.waiting().length, 1);
  t.notOk(scene.runner.events.some(event => event.event === 'queue-found'));
});

t.test('options that cannot be used end it with 2, all of them told on stderr', async t => {
  t.testdir({});
  const child = serve(t, { MAX_MEM: 'lots' }, ['--max-cores', 'many']);
  const [out, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  t.equal(code, 2);
  t.equal(out, '');
  t.match(errors, /^runner: --max-cores/m);
  t.match(errors, /^runner: --max-mem/m);
  t.match(errors, /^runner: no queues to serve/m);
  t.notMatch(errors, / {4}at /, 'no stack');
});

t.test('a working directory that can not be made ends it with 2', async t => {
  const child = serve(t, { QUEUE_ROOT: t.testdir({}), WORKING_DIR: '/proc/none' });
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'close') as Promise<[number | null]>]);
  t.equal(code, 2);
  t.match(
    errors,
    /^runner: --working-dir \(WORKING_DIR\): found \/proc\/none, expected a directory that can be written to/,
  );
});

t.test('a file of events that cannot be opened ends it with 2', async t => {
  const queues = t.testdir({});
  const child = serve(t, { QUEUE_ROOT: queues, EVENTS: join(queues, 'none/events.ndjson') });
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'close') as Promise<[number | null]>]);
  t.equal(code, 2);
  t.match(errors, /^runner: --events \(EVENTS\).*none\/events\.ndjson/);
});

t.test('events in a file are one JSON object a line', async t => {
  const file = join(t.testdirName, 'events.ndjson');
  const scene = new PipelineScene(t, { EVENTS: `-,${file}` });
  await scene.runGood();
  t.equal(await scene.runner.stop(), 0);
  const lines = readFileSync(file, 'utf8').split('\n');
  t.equal(lines.pop(), '', 'the last line is whole');
  t.strictSame(
    lines.map(line => (JSON.parse(line) as { event: string }).event),
    scene.runner.events.map(({ event }) => event),
  );
});

t.test('a reader of stdout that goes away does not end the runner', async t => {
  const directory = t.testdir({ queues: { local_a: {} }, work: {} });
  const file = join(directory, 'events.ndjson');
  const child = serve(t, {
    QUEUE_ROOT: join(directory, 'queues'),
    WORKING_DIR: join(directory, 'work'),
    CLEAR_TEXT_MESSAGES: 'true',
    EVENTS: `-,${file}`,
  });
  await once(child.stdout, 'data');
  child.stdout.destroy();
  await eventually(() => assert.match(readFileSync(file, 'utf8'), /"queue-found"/));
  writeFileSync(join(directory, 'queues/local_a/one'), 'no JSON');
  await eventually(() => assert.match(readFileSync(file, 'utf8'), /"settled".*malformed/));
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  t.equal(code, 0);
  t.match(readFileSync(file, 'utf8'), /"runner-stopped"/);
});
