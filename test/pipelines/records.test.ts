import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { locate, locateDatabase } from '../../lib/storage/locate.ts';
import type { LocateContext } from '../../lib/storage/locate.ts';
import type { QueueContext } from '../../pipelines/queue.ts';
import { recordsOf, type RecordsContext } from '../../pipelines/records.ts';
import { StoreError } from '../../lib/errors.ts';
import { eventually } from '../helpers/eventually.ts';
import { createRig } from '../helpers/rig.ts';
import { ScriptedExecutor, type Script } from '../helpers/scripted-executor.ts';
import { tarOf } from '../helpers/tars.ts';

const bodyOf = (status: string) => JSON.stringify({ key: 'one', status, owner: 'guest', time_finished: null });

interface Scene {
  readonly script?: (scene: () => string) => Script;
  readonly before?: string;
  readonly more?: Partial<RecordsContext>;
  readonly over?: Partial<QueueContext>;
  readonly artifacts?: readonly string[];
}

/** A rig whose experiment `one` has a record, and artifacts `_status` and `_results`. */
const scene = (
  t: Test,
  { script = () => ({}), before = bodyOf('waiting'), more, over, artifacts = [] }: Scene = {},
) => {
  const store = join(t.testdirName, 'store');
  const stores: LocateContext = { allowEnvSecrets: false, allowRunnerCredentials: false, fileRoots: [store] };
  const records = recordsOf({
    emit: (event, fields, about) => rig.events.push({ atMs: 0, level: 'info', event, fields, ...about }),
    host: 'testhost',
    now: Date.now,
    maxAttempts: 3,
    unplacedAfterMs: 1e9,
    stopUploadMs: 1000,
    locate: (artifact, { request, delivery }) => locate(artifact, request, delivery.queue.kind, stores),
    locateDatabase: ({ request, delivery }) => locateDatabase(request, delivery.queue.kind, stores),
    ...more,
  });
  const place = (path: string) => join(store, path);
  const put = (path: string, content: string | Buffer) => {
    mkdirSync(dirname(place(path)), { recursive: true });
    writeFileSync(place(path), content);
  };
  const record = () => JSON.parse(readFileSync(place('db/experiments/one'), 'utf8')) as Record<string, unknown>;
  const executor = new ScriptedExecutor(() => script(() => record()['status'] as string));
  const rig = createRig(t, { executor, over: { ...records, lookEveryMs: 10, ...over } });
  put('db/experiments/one', before);
  const request = rig.request('one');
  const { artifacts: usual } = request['experiment'] as { artifacts: Record<string, unknown> };
  for (const key of artifacts) {
    const label = key.split('.')[0] ?? '';
    const at = `experiments/one/${key}`;
    usual[label] = { mutable: true, unpack: true, key: at, qualified: `file://${store}/storage/${at}` };
  }
  const settled = () =>
    eventually(() => {
      const [first] = rig.settled;
      assert.ok(first);
      return first;
    });
  return { rig, request, place, put, record, settled };
};

const never = new Promise<void>(() => undefined);

t.test('the record says running while it runs, then finished, and keeps the rest', async t => {
  const gate = Promise.withResolvers<void>();
  const { rig, request, record, settled } = scene(t, { script: () => ({ until: gate.promise }) });
  rig.broker.publish('rmq_a', request);
  await eventually(() => {
    assert.equal(record()['status'], 'running');
  });
  gate.resolve();
  t.match(await settled(), { settlement: 'accept' });
  const { time_started: started, time_finished: finished, ...rest } = record();
  t.ok(Math.abs(Number(finished) - Date.now() / 1000) < 60, 'seconds since the epoch');
  t.ok(Number(started) <= Number(finished));
  t.strictSame(rest, { key: 'one', status: 'finished', owner: 'guest' });
});

t.test('an experiment that is tried again waits again', async t => {
  const { rig, request, record } = scene(t, { script: () => ({ code: 1 }), artifacts: ['_results.tar'] });
  rig.broker.publish('rmq_a', request);
  await eventually(() => {
    assert.equal(rig.settled.length, 3);
  });
  t.strictSame(
    rig.settled.map(({ settlement }) => settlement),
    ['retry', 'retry', 'reject'],
  );
  t.equal(record()['status'], 'finished');
});

t.test('a second message of it says nothing of the experiment, neither while that runs nor after it', async t => {
  const running = Promise.withResolvers<void>();
  const scened = scene(t, { script: () => ({ until: running.promise }), artifacts: ['_results.json'] });
  const { rig, request, record, place } = scened;
  const results = place('storage/experiments/one/_results.json');
  rig.broker.publish('rmq_a', request);
  await eventually(() => assert.equal(record()['status'], 'running'));
  rig.broker.publish('rmq_b', request);
  const settledAs = (cause: string) => eventually(() => assert.equal(rig.settled.at(-1)?.end.cause, cause));
  await settledAs('duplicate');
  t.equal(record()['status'], 'running');
  running.resolve();
  await settledAs('completed');
  const [finished, stored] = [record(), readFileSync(results, 'utf8')];
  await settledAs('already-done');
  t.strictSame(record(), finished);
  t.equal(readFileSync(results, 'utf8'), stored);
});

t.test('one that ends before it has any directories is finished in its record as well', async t => {
  const { rig, request, record, settled } = scene(t);
  (request['experiment'] as Record<string, unknown>)['time_added'] = 1;
  rig.broker.publish('rmq_a', request);
  t.match(await settled(), { settlement: 'accept', end: { cause: 'expired' } });
  t.match(record(), { status: 'finished', time_finished: Number, owner: 'guest' });
});

t.test('one that is given back before it began is not touched', async t => {
  const { rig, request, record, place, settled } = scene(t);
  (request['experiment'] as { resources_needed: unknown }).resources_needed = { cpus: 1000 };
  const before = statSync(place('db/experiments/one')).mtimeMs;
  rig.broker.publish('rmq_a', request);
  t.match(await settled(), { settlement: 'release', end: { cause: 'no-room-ever' } });
  t.equal(record()['status'], 'waiting');
  t.equal(statSync(place('db/experiments/one')).mtimeMs, before);
});

t.test('_results that could not be stored at first is tried again', async t => {
  const failing = { left: 2 };
  const { rig, request, place, settled } = scene(t, {
    artifacts: ['_results.json'],
    more: {
      locate: (artifact, { request: asked, delivery }) => {
        const found = locate(artifact, asked, delivery.queue.kind, {
          allowEnvSecrets: false,
          allowRunnerCredentials: false,
          fileRoots: [t.testdirName],
        });
        if (!found || artifact.label !== '_results') return found;
        const put: typeof found.store.put = (...args) => {
          if (failing.left-- > 0) return Promise.reject(new StoreError('unavailable', 'the store is away'));
          return found.store.put(...args);
        };
        return { ...found, store: { ...found.store, name: found.store.name, put } };
      },
    },
  });
  rig.broker.publish('rmq_a', request);
  t.match(await settled(), { settlement: 'accept' });
  t.ok(existsSync(place('storage/experiments/one/_results.json')));
  t.equal(rig.events.filter(({ event }) => event === 'store-retry').length, 2);
});

t.test('one that was stopped before its start never starts', async t => {
  const { rig, request, record, settled, place } = scene(t, {
    before: bodyOf('stopped'),
    artifacts: ['_results.json'],
  });
  rig.broker.publish('rmq_a', request);
  t.match(await settled(), { settlement: 'accept', end: { cause: 'cancelled' } });
  t.strictSame(rig.executor.started, []);
  t.equal(record()['status'], 'stopped');
  t.match(
    rig.events.filter(({ event }) => event === 'cancelled'),
    [{ experiment: 'one', fields: { by: 'metadata store' } }],
  );
  t.match(readFileSync(place('storage/experiments/one/_results.json'), 'utf8'), /its user stopped it/);
});

t.test('one that is stopped while it runs ends, and what it made is stored', async t => {
  const { rig, request, record, put, place, settled } = scene(t, {
    script: () => ({ stdout: 'made\n', until: never }),
  });
  rig.broker.publish('rmq_a', request);
  await eventually(() => {
    assert.equal(record()['status'], 'running');
  });
  put('db/experiments/one', bodyOf('stopped'));
  t.match(await settled(), { settlement: 'accept', end: { cause: 'cancelled', message: /its user stopped it/ } });
  t.equal(record()['status'], 'stopped');
  t.ok(existsSync(place('storage/experiments/one/output.tar')));
});

for (const [form, packed] of [
  ['as it is', false],
  ['packed', true],
] as const)
  t.test(`the artifact _status cancels, ${form}`, async t => {
    const { rig, request, put, settled } = scene(t, { script: () => ({ until: never }), artifacts: ['_status.tar'] });
    const status = (word: string) => `{"key": "one", "status": "${word}"}`;
    const body = async (word: string) =>
      packed ? tarOf({ name: 'status.json', content: status(word) }) : status(word);
    put('storage/experiments/one/_status.tar', await body('running'));
    rig.broker.publish('rmq_a', request);
    await eventually(() => {
      assert.equal(rig.executor.running, 1);
    });
    put('storage/experiments/one/_status.tar', await body('stopped'));
    t.match(await settled(), { settlement: 'accept', end: { cause: 'cancelled', message: /_status/ } });
  });

t.test('_results comes after every other artifact', async t => {
  const { rig, request, place, settled } = scene(t, {
    script: () => ({ stdout: 'x\n' }),
    artifacts: ['_results.json'],
  });
  rig.broker.publish('rmq_a', request);
  await settled();
  const file = place('storage/experiments/one/_results.json');
  const results = JSON.parse(readFileSync(file, 'utf8')) as { artifacts: object };
  t.match(results, {
    exit_msg: 'exited with code 0',
    experiment_id: 'one',
    host: 'testhost',
    artifacts: { output: { name: 'experiments/one/output.tar' }, _metadata: { name: String } },
  });
  t.notOk('_results' in results.artifacts);
  t.ok(statSync(file).mtimeMs >= statSync(place('storage/experiments/one/output.tar')).mtimeMs);
});

t.test('while _results can not be stored the message is not acknowledged', async t => {
  const { rig, request, put, settled } = scene(t, { artifacts: ['_results.json/x.json'], over: { deadlineMs: 10 } });
  // A file stands where the directory of the object should be.
  put('storage/experiments/one/_results.json', 'x');
  rig.broker.publish('rmq_a', request);
  t.match(await settled(), { settlement: 'reject', end: { cause: 'artifact-invalid', message: /_results/ } });
});

t.test('a metadata store that can not be used is told, and fails nothing', async t => {
  const { rig, request, settled } = scene(t, {
    more: {
      locateDatabase: () => {
        throw new Error('no such kind of store');
      },
    },
  });
  rig.broker.publish('rmq_a', request);
  t.match(await settled(), { settlement: 'accept', end: { cause: 'completed' } });
  t.match(
    rig.events.filter(({ event }) => event === 'record-failed'),
    [{ fields: { error: 'no such kind of store' } }],
  );
});

t.test('a first look that gets no answer keeps nobody from the start for long', async t => {
  const { rig, request, settled } = scene(t, {
    over: {
      firstLookMs: 50,
      cancelledBy: () => signal =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        }),
    },
  });
  rig.broker.publish('rmq_a', request);
  t.match(await settled(), { settlement: 'accept', end: { cause: 'completed' } });
});
