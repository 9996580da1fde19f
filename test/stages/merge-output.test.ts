import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { lastValueFrom, of, toArray, VirtualTimeScheduler } from 'rxjs';
import t from 'tap';
import { AttemptError } from '../../lib/errors.ts';
import type { Run } from '../../lib/model/attempt.ts';
import type { Cause, Exit } from '../../lib/model/outcome.ts';
import { createDocument } from '../../lib/output/document.ts';
import { mergeOutput, type MergeOutputContext } from '../../lib/stages/merge-output.ts';
import type { Emit } from '../../lib/telemetry/events.ts';
import { eventually } from '../helpers/eventually.ts';
import { artifact } from '../helpers/make-attempt.ts';
import { printedIn } from '../helpers/printed.ts';
import { runningAttempt, type RunningParts } from '../helpers/running-attempt.ts';
import { spawnRun } from '../helpers/spawn-run.ts';

/** A run that a test prints for and ends. */
const fakeRun = () => {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const exit = Promise.withResolvers<Exit>();
  const stops: Cause[] = [];
  const run: Run = { pid: 1, startedAtMs: 1000, stdout, stderr, exit: exit.promise, stop: cause => stops.push(cause) };
  const end = (parts: Partial<Exit> = {}) => {
    exit.resolve({ code: 0, signal: null, startedAtMs: 1000, endedAtMs: 3000, ...parts });
  };
  return { run, stdout, stderr, stops, end };
};

interface Event {
  readonly name: string;
  readonly fields: Record<string, unknown>;
}
/** Observe a run; what comes out, what was told, what was written. */
const observe = (
  directory: string,
  run: Run,
  parts: Partial<RunningParts> = {},
  use: Partial<MergeOutputContext> = {},
) => {
  const events: Event[] = [];
  const emit: Emit = (name, fields) => {
    events.push({ name, fields: fields });
  };
  const outputFile = join(directory, 'output');
  const document = createDocument();
  const attempt = runningAttempt({ run, document, outputFile, ...parts });
  const observed$ = of(attempt).pipe(mergeOutput({ emit, now: Date.now, graceMs: 100, ...use }));
  const read = () =>
    JSON.parse(document.serialize().toString()) as { studioml: Record<string, unknown> & { log: { msg: string }[] } };
  return { observed$, events, document, read, output: () => printedIn(readFileSync(outputFile, 'utf8')) };
};

t.test('both streams are in output/output in arrival order, in the document, and the end comes last', async t => {
  const { run, stdout, stderr, end } = fakeRun();
  const { observed$, events, read, output } = observe(t.testdir(), run);
  const done = lastValueFrom(observed$.pipe(toArray()));
  const expected = ['out 1\n', 'err 1\n', '{"loss":0.5}\n', 'err 2\n', 'out 2\n'];
  let sofar = '';
  for (const [at, words] of expected.entries()) {
    (at % 2 === 0 ? stdout : stderr).write(words);
    sofar += words;
    await eventually(() => {
      assert.equal(output(), sofar);
    });
  }
  stdout.end();
  stderr.end();
  end();
  const observed = await done;
  t.equal(observed.length, 1);
  t.match(observed[0]?.end, { cause: 'completed', message: 'exited with code 0', exit: { code: 0 } });
  t.match(read(), {
    loss: 0.5,
    studioml: {
      status: 'completed',
      exit_code: 0,
      start_time: '1970-01-01T00:00:01.000000000+00:00',
      stop_time: '1970-01-01T00:00:03.000000000+00:00',
    },
  });
  t.strictSame(
    read().studioml.log.map(entry => entry.msg),
    ['Start', 'out 1', 'err 1', 'err 2', 'out 2', 'Stop'],
  );
  t.match(events, [{ name: 'ended', fields: { cause: 'completed', exitCode: 0, durationMs: 2000 } }]);
});

t.test('what is still in the streams at the exit is read, and the reason of the end is in the log', async t => {
  const { run, stdout, stderr, end } = fakeRun();
  const { observed$, read, output } = observe(t.testdir(), run);
  const done = lastValueFrom(observed$);
  end({ code: 3 });
  stdout.end('last words');
  stderr.end();
  t.match((await done).end, { cause: 'exited', message: 'exited with code 3' });
  t.equal(output(), 'last words\n');
  t.match(read().studioml, { status: 'failed', exit_code: 3 });
  t.strictSame(
    read().studioml.log.map(entry => entry.msg),
    ['Start', 'last words', 'exited with code 3', 'Stop'],
  );
});

t.test('streams that somebody holds open after the end are left after a grace', async t => {
  const { run, stdout, end } = fakeRun();
  const { observed$, output } = observe(t.testdir(), run);
  const done = lastValueFrom(observed$);
  stdout.write('words\n');
  end();
  t.equal((await done).end?.cause, 'completed');
  t.equal(output(), 'words\n');
  t.ok(stdout.destroyed);
});

t.test('a stop by the runner is the cause, with the words of who wanted it', async t => {
  const { run, stdout, stderr, end } = fakeRun();
  const signal = AbortSignal.abort(new AttemptError('cancelled', 'cancelled by the user'));
  const { observed$ } = observe(t.testdir(), run, { signal });
  const done = lastValueFrom(observed$);
  stdout.end();
  stderr.end();
  end({ code: null, signal: 'SIGTERM', stoppedBy: 'cancelled' });
  t.match((await done).end, { cause: 'cancelled', message: 'cancelled by the user' });
});

t.test(
  'a full disk stops the experiment, which can print on until it is gone',
  { skip: !existsSync('/dev/full') },
  async t => {
    const { run, stdout, stderr, stops, end } = fakeRun();
    const { observed$, read } = observe(t.testdir(), run, { outputFile: '/dev/full' });
    const done = lastValueFrom(observed$);
    stdout.write('a\n');
    await eventually(() => {
      assert.deepEqual(stops, ['out-of-disk']);
    });
    for (let at = 0; at < 100; at++) stdout.write(`${'x'.repeat(65_535)}\n`);
    stdout.end('z\n');
    stderr.end();
    end({ code: null, signal: 'SIGTERM', stoppedBy: 'out-of-disk' });
    t.match((await done).end, { cause: 'out-of-disk', message: /writing output\/output failed: ENOSPC/ });
    t.ok(read().studioml.log.some(entry => entry.msg === 'z'));
  },
);

t.test('checkpoints are due in their interval until the end', async t => {
  const { run, stdout, stderr, end } = fakeRun();
  const scheduler = new VirtualTimeScheduler(undefined, 10 * 60_000);
  const request = { saveWorkspaceFrequencyMs: 5 * 60_000 };
  const { observed$, events } = observe(t.testdir(), run, { request }, { scheduler });
  const done = lastValueFrom(observed$.pipe(toArray()));
  scheduler.flush();
  stdout.end();
  stderr.end();
  end();
  const observed = await done;
  t.strictSame(
    observed.map(({ end: { cause } = {} }) => cause),
    [undefined, undefined, 'completed'],
  );
  t.notOk(events.some(event => event.name === 'checkpoint-clamped'));
});

t.test('an artifact with a time of its own is due by that', async t => {
  const { run } = fakeRun();
  const scheduler = new VirtualTimeScheduler(undefined, 6000);
  const artifacts = new Map([
    ['output', artifact('output')],
    ['tb', artifact('tb', { saveFrequencyMs: 2000 })],
    ['model', artifact('model', { saveFrequencyMs: 5000 })],
  ]);
  const { observed$ } = observe(t.testdir(), run, { request: { artifacts } }, { scheduler });
  const due: string[] = [];
  const subscription = observed$.subscribe(one => due.push([...(one.due ?? [])].join()));
  t.teardown(() => {
    subscription.unsubscribe();
  });
  scheduler.flush();
  t.same(due, ['tb', 'tb', 'model', 'tb']);
});

t.test('a time that is longer than a timer takes is the longest that one takes', async t => {
  const { run } = fakeRun();
  const scheduler = new VirtualTimeScheduler(undefined, 2 ** 31);
  const artifacts = new Map([['output', artifact('output', { saveFrequencyMs: 3_000_000_000 })]]);
  const { observed$ } = observe(t.testdir(), run, { request: { artifacts } }, { scheduler });
  const dueAtMs: number[] = [];
  const subscription = observed$.subscribe(() => dueAtMs.push(scheduler.frame));
  t.teardown(() => {
    subscription.unsubscribe();
  });
  scheduler.flush();
  t.same(dueAtMs, [2 ** 31 - 1]);
});

for (const [askedMs, usedMs] of [
  [60_000, 120_000],
  [86_400_000, 43_200_000],
] as const) {
  t.test(`an interval of ${askedMs} ms is clamped to ${usedMs} ms, said once`, async t => {
    const { run } = fakeRun();
    const scheduler = new VirtualTimeScheduler(undefined, usedMs);
    const request = { saveWorkspaceFrequencyMs: askedMs };
    const { observed$, events } = observe(t.testdir(), run, { request }, { scheduler });
    let due = 0;
    const subscription = observed$.subscribe(() => due++);
    t.teardown(() => {
      subscription.unsubscribe();
    });
    scheduler.flush();
    t.equal(due, 1);
    t.strictSame(events, [{ name: 'checkpoint-clamped', fields: { askedMs, usedMs } }]);
  });
}

t.test('unsubscribing lets go of the streams', async t => {
  const { run, stdout, stderr } = fakeRun();
  const { observed$, output } = observe(t.testdir(), run);
  const subscription = observed$.subscribe();
  stdout.write('a\n');
  await eventually(() => {
    assert.equal(output(), 'a\n');
  });
  subscription.unsubscribe();
  await eventually(() => {
    assert.ok(stdout.destroyed && stderr.destroyed);
  });
});

t.test('directives that were skipped are told with their count', async t => {
  const { run, stdout, stderr, end } = fakeRun();
  const { observed$, events } = observe(t.testdir(), run, {}, { now: () => 5000 });
  const done = lastValueFrom(observed$);
  stdout.end('[{"op":"remove","path":"/a"}]\n'.repeat(10));
  stderr.end();
  end();
  await done;
  const told = events.filter(event => event.name === 'directive-skipped').map(event => event.fields['count']);
  t.strictSame(told, [1, 9]);
});

t.test('a file that takes its time makes the experiment wait, and nothing is lost', async t => {
  const directory = t.testdir();
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const run = spawnRun('head', ['-c', '60000000', '/dev/zero']);
  const { observed$, document } = observe(directory, run, { outputFile: fifo });
  const before = process.memoryUsage.rss();
  const reader = createReadStream(fifo);
  reader.pause();
  let ended = false;
  const done = lastValueFrom(observed$).finally(() => (ended = true));
  await eventually(() => {
    assert.ok(run.stdout.isPaused() || run.stdout.readableLength > 0, 'the stream of the experiment stands still');
  });
  t.notOk(ended);
  t.ok(process.memoryUsage.rss() - before < 60e6);
  let bytes = 0;
  reader.on('data', chunk => (bytes += chunk.length)).resume();
  t.equal((await done).end?.cause, 'completed');
  await eventually(() => {
    assert.ok(bytes >= 60_000_000);
  });
  t.equal(document.counts.lines, 1);
});

t.test('200 MB without a newline from a real program end well', async t => {
  const run = spawnRun('sh', ['-c', 'head -c 200000000 /dev/zero | tr "\\\\0" x; printf "\\\\nend\\\\n" >&2']);
  const { observed$, document, read } = observe(t.testdir(), run);
  const before = process.memoryUsage.rss();
  let peak = 0;
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  t.teardown(() => {
    clearInterval(timer);
  });
  t.equal((await lastValueFrom(observed$)).end?.cause, 'completed');
  t.ok(peak - before < 150e6);
  t.equal(document.counts.lines, 3);
  t.ok(read().studioml.log.some(entry => entry.msg === 'end'));
});
