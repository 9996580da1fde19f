import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { join } from 'node:path';
import { lastValueFrom, of, Subject, toArray } from 'rxjs';
import t, { type Test } from 'tap';
import { AttemptError, StoreError } from '../../lib/errors.ts';
import type { ObservedAttempt, PreparedAttempt, StoredAttempt } from '../../lib/model/attempt.ts';
import type { Artifact } from '../../lib/model/experiment.ts';
import { stageOut } from '../../lib/stages/stage-out.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { eventually } from '../helpers/eventually.ts';
import { gate } from '../helpers/gate.ts';
import { artifact, ended, makeAttempt, type AttemptParts } from '../helpers/make-attempt.ts';
import { MemoryStore } from '../helpers/memory-store.ts';

const scrapeKey = 'metadata/scrape-host-host-abcdef-123456.json';
const requestKey = 'metadata/request-host-host-abcdef-123456.json';
const usual = ['workspace', '_metadata', 'modeldir', 'retval', 'tb', 'output'].map(label => artifact(label));

const rig = (t: Test, parts: Partial<AttemptParts> = {}, stopUploadMs = 20, now = Date.now) => {
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const store = new MemoryStore();
  const attempt = makeAttempt({ home: t.testdir(), artifacts: usual, ...parts });
  for (const { label } of attempt.request.artifacts.values()) {
    mkdirSync(attempt.workspace.directoryOf(label), { recursive: true });
  }
  const locate = ({ key }: Artifact) => (key === undefined ? undefined : { store, key });
  const stage = stageOut({ locate, emit: bus.emit, parallelTransfers: 4, stopUploadMs, now });
  const write = (label: string, name: string, content: string) => {
    writeFileSync(join(attempt.workspace.directoryOf(label), name), content);
  };
  write('output', 'output', 'hello\n');
  return { attempt, events, store, stage, write, names: () => events.map(({ event }) => event) };
};

/** Give snapshots one by one. */
const drive = (t: Test, stage: ReturnType<typeof rig>['stage']) => {
  const observed$ = new Subject<ObservedAttempt>();
  const stored: StoredAttempt[] = [];
  const result = Promise.withResolvers<readonly StoredAttempt[]>();
  const subscription = observed$.pipe(stage).subscribe({
    next: one => stored.push(one),
    error: error => result.reject(error),
    complete: () => result.resolve(stored),
  });
  t.teardown(() => subscription.unsubscribe());
  return { observed$, subscription, result: result.promise };
};

/** As `eventually`, where the clock stands still. */
const untilSo = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise(resolve => setImmediate(resolve));
};

t.test('everything is stored: output first, metadata last, what has no files not at all', async t => {
  const { attempt, store, stage, write, events } = rig(t);
  write('modeldir', 'model', 'weights');
  const stored = await lastValueFrom(of(ended(attempt)).pipe(stage, toArray()));
  t.match(stored, [{ end: { cause: 'completed' } }]);
  t.equal(stored.length, 1);
  const keys = store.keys('put');
  t.same(keys.slice(0, 2), ['experiments/e1/output.tar', 'experiments/e1/modeldir.tar']);
  t.same(keys.slice(2).sort(), [requestKey, scrapeKey]);
  t.match(events, [
    { event: 'stored', attempt: 'host-abcdef-123456', fields: { artifacts: ['output', 'modeldir', '_metadata'] } },
  ]);
  const bytes = [...store.objects.values()].reduce((sum, { length }) => sum + length, 0);
  t.equal(events[0]?.fields['bytes'], bytes);
});

t.test('the document is stored as it is, the request without credentials, both as JSON', async t => {
  const raw = { experiment: { key: 'e1' }, config: { env: { AWS_SECRET_ACCESS_KEY: 'hush', A: 'b' } } };
  const { attempt, store, stage } = rig(t, { raw });
  attempt.document.set('status', 'completed');
  await lastValueFrom(of(ended(attempt)).pipe(stage));
  const text = (key: string) => store.objects.get(key)?.toString() ?? '';
  t.equal(text(scrapeKey), attempt.document.serialize().toString());
  t.same(JSON.parse(text(requestKey)), { experiment: { key: 'e1' }, config: { env: { A: 'b' } } });
  t.ok(
    store.calls.filter(({ key }) => key.startsWith('metadata/')).every(one => one.contentType === 'application/json'),
  );
});

const copyIn = ({ workspace }: PreparedAttempt): string | undefined => {
  const file = join(workspace.metadata, scrapeKey.slice(9));
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
};

t.test('a copy of the document is left for who can look at it', async t => {
  const going = rig(t);
  await lastValueFrom(of(ended(going.attempt)).pipe(going.stage));
  t.equal(copyIn(going.attempt), undefined, 'the directory goes');
  const staying = rig(t, { stays: true });
  await lastValueFrom(of(ended(staying.attempt)).pipe(staying.stage));
  t.equal(copyIn(staying.attempt), staying.store.objects.get(scrapeKey)?.toString());
  const running = rig(t);
  const { observed$, subscription } = drive(t, running.stage);
  observed$.next(running.attempt);
  await eventually(() => assert.ok(running.names().includes('checkpointed')));
  t.equal(copyIn(running.attempt), running.store.objects.get(scrapeKey)?.toString());
  subscription.unsubscribe();
  const refused = rig(t);
  refused.store.script = ({ key }) => {
    if (key === scrapeKey) throw new StoreError('denied', 'no');
  };
  await t.rejects(lastValueFrom(of(ended(refused.attempt)).pipe(refused.stage)));
  const kept = join(refused.attempt.workspace.home, 'unstored/host-abcdef-123456/_metadata');
  t.same(readdirSync(kept), [scrapeKey.slice(9)], 'with what could not be stored');
});

t.test('files that the experiment put into _metadata go up one by one', async t => {
  const { attempt, store, stage, write } = rig(t);
  write('_metadata', 'own.json', '{}');
  mkdirSync(join(attempt.workspace.metadata, 'sub'));
  write('_metadata', 'sub/notes.txt', 'notes');
  await lastValueFrom(of(ended(attempt)).pipe(stage));
  t.equal(store.objects.get('metadata/own.json')?.toString(), '{}');
  t.equal(store.objects.get('metadata/sub/notes.txt')?.toString(), 'notes');
  t.same(store.calls.find(({ key }) => key === 'metadata/sub/notes.txt')?.contentType, undefined);
});

t.test('of the files in _metadata no more are on their way than artifacts would be', async t => {
  const { attempt, store, stage, write } = rig(t);
  for (let i = 0; i < 20; i++) write('_metadata', `${String(i)}.txt`, 'notes');
  let [under, most] = [0, 0];
  store.script = async () => {
    most = Math.max(most, ++under);
    await new Promise(resolve => setImmediate(resolve));
    under -= 1;
  };
  await lastValueFrom(of(ended(attempt)).pipe(stage));
  t.equal(most, 4);
  t.equal(store.keys('put').filter(key => key.startsWith('metadata/')).length, 22);
});

t.test('a snapshot stores what changed, the end what changed after it', async t => {
  // what changed just before a look is stored again to be sure; here it looks old
  const { attempt, store, stage, write, names } = rig(t, {}, 20, () => Date.now() + 60_000);
  write('modeldir', 'model', 'weights');
  const { observed$, result } = drive(t, stage);
  observed$.next(attempt);
  await eventually(() => assert.ok(names().includes('checkpointed')));
  t.same(store.keys('put').slice(0, 2), ['experiments/e1/output.tar', 'experiments/e1/modeldir.tar']);
  store.calls.length = 0;
  write('output', 'output', 'hello\nworld\n');
  observed$.next(ended(attempt));
  observed$.complete();
  t.equal((await result).length, 1);
  t.same(store.keys('put'), ['experiments/e1/output.tar', scrapeKey], 'neither the model nor the request again');
});

t.test('a checkpoint is in the record when something was stored', async t => {
  const changes: unknown[] = [];
  const { attempt, store, stage, names } = rig(t, {}, 20, () => Date.now() + 60_000);
  const experimentRecord = {
    ...attempt.experimentRecord,
    set: (change: unknown) => Promise.resolve(void changes.push(change)),
  };
  const recorded = { ...attempt, experimentRecord };
  const { observed$ } = drive(t, stage);
  store.script = () => {
    throw new StoreError('denied', 'no');
  };
  observed$.next(recorded);
  await eventually(() => assert.ok(names().includes('checkpoint-failed')));
  store.script = () => undefined;
  observed$.next({ ...recorded, due: new Set(['output']) });
  await eventually(() => assert.equal(changes.length, 1));
  observed$.next({ ...recorded, due: new Set(['output']) });
  observed$.next({ ...ended(attempt), experimentRecord });
  await eventually(() => assert.ok(names().includes('stored')));
  t.equal(changes.length, 1, 'for the second of three');
});

t.test('a snapshot stores what is due, and what came due meanwhile after it, once', async t => {
  const { attempt, store, stage, write } = rig(t, {}, 20, () => Date.now() + 60_000);
  write('modeldir', 'model', 'weights');
  write('tb', 'events', '1');
  const held = gate();
  store.script = async ({ key }) => (key.endsWith('output.tar') ? held.wait() : undefined);
  const { observed$, result } = drive(t, stage);
  const snapshot = (...due: string[]) => observed$.next({ ...attempt, due: new Set(due) });
  snapshot('output');
  await eventually(() => assert.equal(held.waiting, 1));
  for (let i = 0; i < 3; i++) snapshot('modeldir');
  snapshot('tb');
  held.open();
  await eventually(() => assert.ok(store.objects.has('experiments/e1/tb.tar')));
  t.same(
    store.keys('put'),
    ['output', 'modeldir', 'tb'].map(label => `experiments/e1/${label}.tar`),
  );
  observed$.next(ended(attempt));
  observed$.complete();
  await result;
  t.same(store.keys('put').slice(3).sort(), [requestKey, scrapeKey], 'the end sends none of them again');
});

t.test('what did not change is not read again', async t => {
  const { attempt, store, stage, write } = rig(t, {}, 20, () => Date.now() + 60_000);
  write('modeldir', 'model', 'weights');
  const { observed$, result } = drive(t, stage);
  observed$.next({ ...attempt, due: new Set(['modeldir']) });
  await eventually(() => assert.ok(store.objects.has('experiments/e1/modeldir.tar')));
  const model = join(attempt.workspace.directoryOf('modeldir'), 'model');
  const { atimeNs } = statSync(model, { bigint: true });
  observed$.next(ended(attempt));
  observed$.complete();
  await result;
  t.equal(statSync(model, { bigint: true }).atimeNs, atimeNs);
  t.equal(store.keys('put').filter(key => key.endsWith('modeldir.tar')).length, 1);
});

t.test('what may have changed again within one tick of the clock is stored again', async t => {
  // By this clock every change is a recent one, however slow the machine.
  const { attempt, store, stage } = rig(t, {}, 20, () => 0);
  const { observed$, result } = drive(t, stage);
  const times = () => store.keys('put').filter(key => key === 'experiments/e1/output.tar').length;
  for (const count of [1, 2]) {
    observed$.next(attempt);
    await eventually(() => assert.equal(times(), count));
  }
  observed$.next(ended(attempt));
  observed$.complete();
  await result;
  t.equal(times(), 3);
});

t.test('stores never overlap: a snapshot that comes meanwhile is left out, the end waits', async t => {
  const { attempt, store, stage, names } = rig(t);
  const held = gate();
  let running = 0;
  let most = 0;
  store.script = async ({ key }) => {
    if (!key.endsWith('output.tar')) return;
    most = Math.max(most, ++running);
    await held.wait();
    running--;
  };
  const { observed$, result } = drive(t, stage);
  observed$.next(attempt);
  observed$.next(attempt);
  observed$.next(attempt);
  observed$.next(ended(attempt));
  observed$.complete();
  await eventually(() => assert.equal(held.waiting, 1));
  held.open();
  await result;
  t.equal(most, 1);
  t.same(names(), ['checkpointed', 'stored']);
});

t.test('a checkpoint that fails is an event, and the end stores everything', async t => {
  const { attempt, store, stage, names, events } = rig(t);
  let isDown = true;
  store.script = ({ key }) => {
    if (isDown) throw new StoreError('denied', 'not now', { key });
  };
  const { observed$, result } = drive(t, stage);
  observed$.next(attempt);
  await eventually(() => assert.ok(names().includes('checkpoint-failed')));
  isDown = false;
  observed$.next(ended(attempt));
  observed$.complete();
  t.equal((await result).length, 1);
  t.ok(store.objects.has('experiments/e1/output.tar'));
  t.match(events[0], { event: 'checkpoint-failed', fields: { error: /stage out failed: not now.*artifact=output/ } });
});

t.test('a store that is away at the end is waited for', async t => {
  const { attempt, store, stage, names } = rig(t);
  let failures = 3;
  store.script = ({ key }) => {
    if (key.endsWith('output.tar') && failures-- > 0) throw new StoreError('unavailable', 'away');
  };
  await lastValueFrom(of(ended(attempt)).pipe(stage));
  t.same(names(), ['store-retry', 'store-retry', 'store-retry', 'stored']);
});

t.test('one artifact that is refused keeps none of the others, is the error, and stays on the machine', async t => {
  const keepDisk: number[] = [];
  const { attempt, store, stage, write, events } = rig(t, { keepDisk: bytes => keepDisk.push(bytes) });
  write('modeldir', 'model', 'weights');
  write('retval', 'retval', '1');
  store.script = ({ key }) => {
    if (key.endsWith('modeldir.tar')) throw new StoreError('denied', 'read only');
  };
  await t.rejects(lastValueFrom(of(ended(attempt)).pipe(stage)), {
    code: 'access-denied',
    message: /stage out failed: read only.*artifact=modeldir.*kept \[host=host, directory=/,
  });
  t.ok(store.objects.has('experiments/e1/retval.tar'));
  t.ok(store.objects.has(scrapeKey));
  const kept = join(attempt.workspace.home, 'unstored', 'host-abcdef-123456');
  t.equal(readFileSync(join(kept, 'modeldir', 'model'), 'utf8'), 'weights');
  t.same(readdirSync(kept), ['modeldir']);
  t.equal(statSync(join(attempt.workspace.home, 'unstored')).mode & 0o777, 0o700, 'for nobody else to read');
  t.match(events.at(-1), { event: 'results-kept', fields: { directory: kept, artifacts: ['modeldir'] } });
  t.same(keepDisk, [events.at(-1)?.fields['bytes']]);
  t.ok((keepDisk[0] ?? 0) >= 'weights'.length);
});

t.test('what is to be run again is not kept', async t => {
  const { attempt, store, stage } = rig(t);
  store.script = () => {
    throw new StoreError('precondition', 'another one');
  };
  await t.rejects(lastValueFrom(of(ended(attempt)).pipe(stage)), {
    code: 'store-fault',
    message: /output\.tar\]$/,
  });
  t.notOk(existsSync(join(attempt.workspace.home, 'unstored')));
});

t.test('what can not be kept either is told, and the error stays what it is', async t => {
  const { attempt, store, stage, events } = rig(t);
  writeFileSync(join(attempt.workspace.home, 'unstored'), 'a file');
  store.script = () => {
    throw new StoreError('denied', 'no');
  };
  await t.rejects(lastValueFrom(of(ended(attempt)).pipe(stage)), {
    code: 'access-denied',
    message: /output\.tar\]$/,
  });
  t.match(events.at(-1), { event: 'store-failed', fields: { error: /EEXIST/ } });
});

t.test('told to stop, what is not stored in time is given up', async t => {
  const control = new AbortController();
  const { attempt, store, stage } = rig(t, { signal: control.signal });
  store.script = () => {
    throw new StoreError('unavailable', 'away');
  };
  const work = lastValueFrom(of(ended(attempt, 'stopping')).pipe(stage));
  control.abort(new AttemptError('stopping', 'the runner stops'));
  await t.rejects(work, { code: 'store-fault', message: /not stored within 20 ms/ });
});

t.test('the time to store counts from the end of an experiment that was told to stop, checkpoints or not', async t => {
  const control = new AbortController();
  const { attempt, store, stage, write, names } = rig(t, { signal: control.signal }, 60_000);
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => {
    mock.timers.reset();
  });
  const { observed$, result } = drive(t, stage);
  observed$.next(attempt);
  await untilSo(() => names().includes('checkpointed'));
  control.abort(new AttemptError('stopping', 'the runner stops'));
  mock.timers.tick(3_600_000);
  write('modeldir', 'model', 'saved in its grace');
  observed$.next(ended(attempt, 'stopping'));
  observed$.complete();
  await result;
  t.ok(store.objects.has('experiments/e1/modeldir.tar'));
});

t.test('a checkpoint that is under way at the end of such an experiment gets no more time', async t => {
  const control = new AbortController();
  const { attempt, store, stage } = rig(t, { signal: control.signal });
  store.script = (_call, signal) => gate().wait(signal);
  const { observed$, result } = drive(t, stage);
  observed$.next(attempt);
  await eventually(() => assert.equal(store.calls.length, 1));
  control.abort(new AttemptError('stopping', 'the runner stops'));
  observed$.next(ended(attempt, 'stopping'));
  observed$.complete();
  await t.rejects(result, { code: 'store-fault', message: /not stored within 20 ms/ });
  t.equal(store.calls.length, 1);
});

t.test('when the lease is lost nothing is stored, and what is under way ends', async t => {
  const control = new AbortController();
  const { attempt, store, stage, names } = rig(t, { signal: control.signal }, 60_000);
  store.script = (_call, signal) => gate().wait(signal);
  const { observed$, result } = drive(t, stage);
  observed$.next(attempt);
  await eventually(() => assert.equal(store.calls.length, 1));
  control.abort(new AttemptError('lease-lost', 'somebody else has it'));
  observed$.next(ended(attempt, 'lease-lost'));
  observed$.complete();
  t.match(await result, [{ end: { cause: 'lease-lost' } }]);
  t.equal(store.calls.length, 1);
  t.equal(store.objects.size, 0);
  t.same(names(), ['checkpoint-failed']);
});

t.test('where nothing ran the first cause stands, whether its reason could be stored or not', async t => {
  for (const cause of ['store-fault', 'artifact-missing', 'queue-deleted'] as const) {
    const { attempt, store, stage, names } = rig(t);
    store.script = () => {
      throw new StoreError('denied', 'no');
    };
    const stored = await lastValueFrom(of(ended(attempt, cause, false)).pipe(stage));
    t.equal(stored.end.cause, cause);
    t.same(names(), ['store-failed']);
  }
});

t.test('a queue that is gone has its results stored all the same', async t => {
  const { attempt, store, stage } = rig(t);
  await lastValueFrom(of(ended(attempt, 'queue-deleted')).pipe(stage));
  t.ok(store.objects.has('experiments/e1/output.tar'));
});

t.test('unsubscribing ends what is being sent', async t => {
  const { attempt, store, stage } = rig(t);
  const aborted = gate();
  store.script = async (_call, signal) => {
    await gate()
      .wait(signal)
      .finally(() => aborted.open());
  };
  const { observed$, subscription } = drive(t, stage);
  observed$.next(ended(attempt));
  await eventually(() => assert.equal(store.calls.length, 1));
  subscription.unsubscribe();
  await aborted.wait();
  t.pass('aborted');
});

t.test('an attempt whose stages end without an end completes, and stores nothing', async t => {
  const { stage, store } = rig(t);
  const { observed$, result } = drive(t, stage);
  observed$.complete();
  t.same(await result, []);
  t.same(store.calls, []);
});
