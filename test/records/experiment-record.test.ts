import { strict as assert } from 'node:assert';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { StoreError } from '../../lib/errors.ts';
import { createExperimentRecord } from '../../lib/records/experiment-record.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { createEventBus } from '../../lib/telemetry/events.ts';
import { eventually } from '../helpers/eventually.ts';

const waiting = '{"key": "e1", "status": "waiting", "time_added": 1.5, "metric": NaN, "time_started": null}';
/** Longer: on some systems two writes have the same time, and by their size they are told apart there. */
const stopped = `${waiting.replace('waiting', 'stopped')}\n`;

const scene = (t: Test, over: Partial<ObjectStore> = {}) => {
  const root = t.testdir({ experiments: { e1: waiting } });
  const file = join(root, 'experiments/e1');
  const bus = createEventBus();
  const failures: unknown[] = [];
  bus.events$.subscribe(({ fields }) => failures.push(fields['error']));
  const store = { ...createDirectoryStore({ root }), ...over };
  const record = createExperimentRecord({ store, key: 'experiments/e1' }, { emit: bus.emit, about: {}, limitMs: 2000 });
  const never = new AbortController().signal;
  return {
    record,
    failures,
    file,
    isStopped: () => record.isStopped(never),
    read: () => readFileSync(file, 'utf8'),
    write: (text: string) => {
      writeFileSync(file, text);
    },
  };
};

t.test('status and times are written in seconds, everything else stays', async t => {
  const { record, read, failures } = scene(t);
  await record.set({ status: 'running', startedAtMs: 2500 });
  await record.set({ checkpointedAtMs: 3250 });
  await record.set({ status: 'finished', finishedAtMs: 4000 });
  t.equal(
    read(),
    '{"key": "e1", "status": "finished", "time_added": 1.5, "metric": NaN, "time_started": 2.5, "time_last_checkpoint": 3.25, "time_finished": 4}',
  );
  t.strictSame(failures, []);
});

t.test('a change that may wait goes with the next one, or alone after a second', async t => {
  const base = createDirectoryStore({ root: t.testdirName });
  let puts = 0;
  const { record, read } = scene(t, { put: (...put) => (puts++, base.put(...put)) });
  record.setSoon({ status: 'running', startedAtMs: 2500 });
  await record.set({ status: 'finished', finishedAtMs: 4000 });
  t.match(read(), /"status": "finished".*"time_started": 2.5, "time_finished": 4/);
  t.equal(puts, 1);
  record.setSoon({ checkpointedAtMs: 5000 });
  await eventually(() => assert.match(read(), /"time_last_checkpoint": 5/));
  t.equal(puts, 2);
});

t.test('what the client writes in between is kept', async t => {
  const { record, read, write } = scene(t);
  await record.set({ status: 'running', startedAtMs: 1000 });
  write(read().replace('"e1"', '"e1", "info": {"x": 1}'));
  await record.set({ checkpointedAtMs: 2000 });
  t.match(read(), /"info": \{"x": 1\}.*"time_last_checkpoint": 2/);
});

t.test('a stopped is seen, and never written over', async t => {
  const { record, read, write, isStopped } = scene(t);
  t.notOk(await isStopped());
  t.notOk(await isStopped(), 'the same once more');
  write(stopped);
  t.ok(await isStopped());
  t.ok(await isStopped(), 'and is still seen where nothing changed');
  await record.set({ status: 'finished', finishedAtMs: 1000 });
  t.match(read(), /"status": "stopped".*"time_finished": 1/);
});

t.test('a stopped that comes between look and write wins', async t => {
  const base = createDirectoryStore({ root: t.testdirName });
  let file = '';
  let left = 1;
  const { record, read, ...at } = scene(t, {
    put: (...put) => {
      if (left-- > 0) writeFileSync(file, stopped);
      return base.put(...put);
    },
  });
  file = at.file;
  await record.set({ status: 'running', startedAtMs: 1000 });
  t.match(read(), /"status": "stopped".*"time_started": 1/);
});

t.test('an object that is gone is not written again', async t => {
  const { record, file, isStopped, failures } = scene(t);
  await record.set({ status: 'running' });
  rmSync(file);
  t.notOk(await isStopped());
  await record.set({ status: 'finished' }, 4);
  t.throws(() => readFileSync(file), { code: 'ENOENT' });
  t.strictSame(failures, []);
});

t.test('what a store refused goes with the next change', async t => {
  const base = createDirectoryStore({ root: t.testdirName });
  let isDown = true;
  const { record, read, failures, isStopped } = scene(t, {
    get: (...get) => (isDown ? Promise.reject(new StoreError('unavailable', 'the store is away')) : base.get(...get)),
  });
  await record.set({ status: 'running', startedAtMs: 1000 });
  t.notOk(await isStopped());
  t.notOk(await isStopped());
  t.strictSame(failures, ['the store is away'], 'told once while it lasts');
  isDown = false;
  await record.set({ checkpointedAtMs: 2000 });
  t.match(read(), /"status": "running".*"time_started": 1.*"time_last_checkpoint": 2/);
});

t.test('a store that does not answer holds nobody up', async t => {
  const { record, failures } = scene(t, {
    get: (_key, signal) =>
      new Promise((_, reject) => {
        signal?.addEventListener('abort', () => {
          reject(signal.reason as Error);
        });
      }),
  });
  await record.set({ status: 'running' });
  t.match(failures, [/not done within 2000 ms/]);
});

t.test('an object that its client is in the middle of writing is read again', async t => {
  const { record, write, read, failures } = scene(t);
  write(waiting.slice(0, 30));
  const done = record.set({ status: 'finished', finishedAtMs: 1000 }, 100);
  setTimeout(write, 100, waiting);
  await done;
  t.match(read(), /"status": "finished"/);
  t.strictSame(failures, []);
});
