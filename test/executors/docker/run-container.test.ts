import { PassThrough } from 'node:stream';
import type Dockerode from 'dockerode';
import t from 'tap';
import { AttemptError } from '../../../lib/errors.ts';
import { createEngine } from '../../../lib/executors/docker/engine.ts';
import { runContainer } from '../../../lib/executors/docker/run-container.ts';
import { startFakeEngine } from '../../helpers/fake-engine.ts';

const never = () => new Promise<never>(() => undefined);

/** What an engine says of one container, each of its calls to be replaced. */
const run = (calls: object, use: { signal?: AbortSignal; kill?: AbortSignal; maxDurationMs?: number } = {}) => {
  const done: string[] = [];
  const container = {
    attach: () => Promise.resolve(new PassThrough().end()),
    start: () => Promise.resolve(),
    stats: () => Promise.reject(new Error('none')),
    kill: ({ signal }: { signal: string }) => {
      done.push(signal);
      return never();
    },
    wait: () => Promise.resolve({ StatusCode: 0 }),
    inspect: () => Promise.resolve({ State: { OOMKilled: false } }),
    ...calls,
  };
  const started = runContainer(container as unknown as Dockerode.Container, {
    signal: new AbortController().signal,
    kill: new AbortController().signal,
    graceMs: 10,
    maxDurationMs: 60_000,
    memoryBytes: 1000,
    watchDisk: () => ({ end: () => Promise.resolve({ diskPeakBytes: 0 }) }),
    patienceMs: 20,
    afterwards: () => {
      done.push('removed');
      return Promise.resolve();
    },
    now: Date.now,
    ...use,
  });
  return { started, done };
};

for (const [code, cause] of [
  [0, undefined],
  [137, 'out-of-memory'],
] as const)
  t.test(`where memory ran out, an exit code ${String(code)} is ${cause ?? 'no failure'}`, async t => {
    const { started, done } = run({
      wait: () => Promise.resolve({ StatusCode: code }),
      inspect: () => Promise.resolve({ State: { OOMKilled: true } }),
    });
    const exit = await (await started).exit;
    t.equal(exit.stoppedBy, cause);
    t.equal(exit.exceeded?.resource, cause && 'memory');
    t.strictSame(done, ['removed']);
  });

t.test('an engine that hangs is left when it does not end what is to stop', async t => {
  const [cancelled, kill] = [new AbortController(), new AbortController()];
  const runs = [
    run({ wait: never }, { signal: cancelled.signal }),
    run({ wait: never }, { kill: kill.signal }),
    run({ wait: never }, { maxDurationMs: 10 }),
  ];
  const exits = runs.map(async ({ started }) => (await started).exit);
  await Promise.all(runs.map(({ started }) => started));
  cancelled.abort(new AttemptError('cancelled', 'its user'));
  kill.abort();
  for (const exit of exits) t.match(await exit, { stoppedBy: 'engine-fault', code: null });
  t.strictSame(
    runs.map(({ done }) => done),
    [['SIGTERM', 'SIGKILL'], ['SIGKILL'], ['SIGTERM', 'SIGKILL']],
    'what may still run is not taken for removed',
  );
});

for (const call of ['attach', 'start'])
  t.test(`an abort is heard while ${call} hangs`, async t => {
    const stop = new AbortController();
    const { started } = run({ [call]: never }, { signal: stop.signal });
    stop.abort(new AttemptError('cancelled', 'its user'));
    await t.rejects(started, { code: 'cancelled' });
  });

t.test('output that an engine hands out too late is let go', async t => {
  const stop = new AbortController();
  stop.abort(new AttemptError('cancelled', 'its user'));
  const late = new PassThrough();
  const { started } = run({ attach: () => Promise.resolve(late) }, { signal: stop.signal });
  await t.rejects(started, { code: 'cancelled' });
  t.ok(late.destroyed);
});

t.test('an engine that says nothing of itself is at fault, and asked again by the next', async t => {
  const fake = await startFakeEngine(t);
  fake.answer = () => true;
  const engine = createEngine(fake.socketPath, 2000);
  await t.rejects(engine.connect(), { code: 'engine-fault', message: /not done within 2000 ms/ });
  fake.answer = () => false;
  t.ok((await engine.connect()).hasInit);
});
