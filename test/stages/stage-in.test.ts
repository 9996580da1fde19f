import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom, of } from 'rxjs';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { AttemptError, StoreError } from '../../lib/errors.ts';
import type { Artifact } from '../../lib/model/experiment.ts';
import { stageIn, type StageInContext } from '../../lib/stages/stage-in.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { gate } from '../helpers/gate.ts';
import { artifact, makeAttempt, type AttemptParts } from '../helpers/make-attempt.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { tarOf } from '../helpers/tars.ts';

const workspaceTar = () => tarOf({ name: 'main.py', content: 'print(1)' });
const usual = ['workspace', 'modeldir', 'output', 'retval', 'tb', '_metadata'].map(label => artifact(label));

const rig = (t: Test, store: ObjectStore, parts: Partial<AttemptParts> = {}, over: Partial<StageInContext> = {}) => {
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const attempt = makeAttempt({ home: parts.home ?? t.testdir(), artifacts: usual, ...parts });
  const locate = ({ key }: Artifact) => (key === undefined ? undefined : { store, key });
  const use = { locate, emit: bus.emit, parallelTransfers: 8, mostDiskBytes: 0, now: Date.now, ...over };
  return { attempt, events, stage: () => lastValueFrom(of(attempt).pipe(stageIn(use))) };
};
const unavailable = () => {
  throw new StoreError('unavailable', 'no answer');
};

t.test('inputs are unpacked, and what does not exist yet is an empty directory', async t => {
  const store = new MemoryStore({ 'blobs/workspace.tar': await workspaceTar() });
  const { attempt, events, stage } = rig(t, store);
  const staged = await stage();
  t.equal(readFileSync(join(attempt.workspace.workspace, 'main.py'), 'utf8'), 'print(1)');
  t.same(readdirSync(attempt.workspace.root).sort(), [
    '_metadata',
    '_runner',
    'modeldir',
    'output',
    'retval',
    'tb',
    'workspace',
  ]);
  t.same(readdirSync(join(attempt.workspace.root, 'modeldir')), []);
  t.ok(staged.stagedAtMs > 0);
  t.match(events, [{ event: 'staged', experiment: 'e1', fields: { artifacts: 6, bytes: 8 + 512 } }]);
});

t.test('one listing tells which of the mutable artifacts are there', async t => {
  const store = new MemoryStore({
    'blobs/workspace.tar': await workspaceTar(),
    'experiments/e1/modeldir.tar': await tarOf({ name: 'checkpoint', content: '7' }),
  });
  const { attempt, stage } = rig(t, store);
  await stage();
  t.same(store.keys('list'), ['experiments/e1/']);
  t.same(store.keys('get').sort(), ['blobs/workspace.tar', 'experiments/e1/modeldir.tar']);
  t.equal(readFileSync(join(attempt.workspace.root, 'modeldir/checkpoint'), 'utf8'), '7');
});

t.test('the workspace does not wait for the listing', async t => {
  const store = new MemoryStore({ 'blobs/workspace.tar': await workspaceTar() });
  const listed = gate();
  store.script = async ({ operation, key }) => {
    if (operation === 'list') await listed.wait();
    if (key === 'blobs/workspace.tar') listed.open();
  };
  const { stage } = rig(t, store, {}, { parallelTransfers: 1 });
  await stage();
  t.equal(store.calls.length, 2);
});

t.test('where listing is denied or goes on for long each object is asked for', async t => {
  const denied = new MemoryStore({ 'blobs/workspace.tar': await workspaceTar() });
  denied.script = ({ operation }) => {
    if (operation === 'list') throw new StoreError('denied', 'no');
  };
  const endless = new MemoryStore({ 'blobs/workspace.tar': await workspaceTar() });
  for (let i = 0; i < 1500; i++) endless.objects.set(`experiments/e1/other${i}`, Buffer.alloc(0));
  for (const store of [denied, endless]) {
    await rig(t, store).stage();
    t.equal(store.keys('get').length, 6);
  }
});

t.test('labels that are no directories, and artifacts that are nowhere, are left alone', async t => {
  const store = new MemoryStore({ 'blobs/workspace.tar': await workspaceTar() });
  const special = ['_status', '_results', '_container', '_singularity'].map(label => artifact(label));
  const { key: _, ...nowhere } = artifact('image', { mutable: false, qualified: 'dockerhub://busybox' });
  const { attempt, stage } = rig(t, store, { artifacts: [artifact('workspace'), ...special, nowhere] });
  await stage();
  t.same(store.keys('get'), ['blobs/workspace.tar']);
  for (const { label } of special) t.notOk(existsSync(attempt.workspace.directoryOf(label)));
});

t.test('an input of one file lands at ../<label>/<name>, packed or not', async t => {
  const store = new MemoryStore({
    'args.tar': await tarOf({ name: './args', content: '{"x": 1}' }),
    'blobs/raw.bin': Buffer.from('raw'),
  });
  const artifacts = [
    artifact('args', { mutable: false, key: 'args.tar' }),
    artifact('data', { mutable: false, key: 'blobs/raw.bin', unpack: false }),
  ];
  const { attempt, stage } = rig(t, store, { artifacts });
  await stage();
  t.equal(readFileSync(join(attempt.workspace.workspace, '../args/args'), 'utf8'), '{"x": 1}');
  t.equal(readFileSync(join(attempt.workspace.workspace, '../data/raw.bin'), 'utf8'), 'raw');
});

t.test('an immutable artifact that is missing is told with its place', async t => {
  const { stage } = rig(t, new MemoryStore());
  await t.rejects(stage(), {
    code: 'artifact-missing',
    message: /stage in failed: no such object .*memory:\/\/bucket, key=blobs\/workspace.tar.*artifact=workspace/,
  });
});

t.test('denied access is told as such, also for a mutable artifact', async t => {
  const store = new MemoryStore({ 'blobs/workspace.tar': await workspaceTar() });
  store.script = ({ key }) => {
    if (key.startsWith('experiments/')) throw new StoreError('denied', 'wrong key');
  };
  await t.rejects(rig(t, store).stage(), { code: 'access-denied', message: /stage in failed: wrong key/ });
});

t.test('a store that comes back is waited for, and the unpack starts anew', async t => {
  const store = new MemoryStore({ 'blobs/workspace.tar': await workspaceTar() });
  const whole = store.objects.get('blobs/workspace.tar') ?? Buffer.alloc(0);
  const { attempt, events, stage } = rig(t, store, { artifacts: [artifact('workspace')] });
  let tries = 0;
  const get = store.get.bind(store);
  store.get = async (key, signal) => {
    const object = await get(key, signal);
    if (++tries > 1) return object;
    // the first transfer brings another file and then ends too early
    store.objects.set(key, Buffer.concat([await tarOf({ name: 'half', content: 'x' })]).subarray(0, 1024));
    const half = await get(key, signal);
    store.objects.set(key, whole);
    return { ...half, sizeBytes: whole.length };
  };
  await stage();
  t.same(readdirSync(attempt.workspace.workspace), ['main.py']);
  t.match(events[0], { event: 'store-retry', fields: { operation: 'get', tries: 1 } });
});

t.test('an archive that leaves its directory is refused with its label', async t => {
  const store = new MemoryStore({ 'blobs/workspace.tar': await tarOf({ name: '../evil', content: 'x' }) });
  const { attempt, stage } = rig(t, store);
  await t.rejects(stage(), { code: 'artifact-invalid', message: /entry=\.\.\/evil.*artifact=workspace/ });
  t.notOk(existsSync(join(attempt.workspace.root, 'evil')));
});

t.test('the disk that was asked for is shared by all inputs', async t => {
  const half = gzipSync(await tarOf({ name: 'f', content: Buffer.alloc(6000) }));
  const store = new MemoryStore({ a: half, b: half });
  const artifacts = ['a', 'b'].map(key => artifact(key, { mutable: false, key }));
  await t.rejects(rig(t, store, { artifacts, diskBytes: 10_000 }).stage(), { code: 'out-of-disk' });
  await rig(t, store, { artifacts, diskBytes: 20_000 }).stage();
});

t.test('of what a run made before, nothing that came in part stays: it would be stored over the whole', async t => {
  const made = [
    { name: 'first', content: Buffer.alloc(4000) },
    { name: 'second', content: Buffer.alloc(8000) },
  ];
  const store = new MemoryStore({
    'experiments/e1/modeldir.tar': await tarOf(...made),
    'experiments/e1/tb.tar': await tarOf({ name: 'events', content: '1' }),
  });
  const artifacts = ['modeldir', 'tb'].map(label => artifact(label));
  const { attempt, stage } = rig(t, store, { artifacts, diskBytes: 10_000 }, { parallelTransfers: 1 });
  await t.rejects(stage(), { code: 'out-of-disk' });
  t.same(readdirSync(attempt.workspace.directoryOf('modeldir')), []);
});

t.test('the first failure ends the other transfers, and nothing is written after it is told', async t => {
  const store = new MemoryStore({ slow: await workspaceTar() });
  let ended = false;
  store.script = async ({ key }, signal) => {
    if (key === 'bad') throw new StoreError('missing', 'no such object');
    await gate()
      .wait(signal)
      .finally(() => {
        ended = true;
      });
  };
  const artifacts = ['slow', 'bad'].map(key => artifact(key, { mutable: false, key }));
  await t.rejects(rig(t, store, { artifacts }).stage(), { code: 'artifact-missing' });
  t.ok(ended);
});

t.test('an attempt that is told to stop does so at once, with the reason', async t => {
  const control = new AbortController();
  const store = new MemoryStore();
  store.script = unavailable;
  const { events, stage } = rig(t, store, { signal: control.signal });
  const work = stage();
  control.abort(new AttemptError('stopping', 'the runner stops'));
  await t.rejects(work, { code: 'stopping' });
  t.notOk(events.some(({ event }) => event === 'staged'));
});

t.test('a place that can not be understood fails before anything is fetched', async t => {
  const store = new MemoryStore();
  const locate = () => {
    throw new AttemptError('access-denied', 'file:// is not allowed here');
  };
  await t.rejects(rig(t, store, {}, { locate }).stage(), { code: 'access-denied' });
  t.same(store.calls, []);
});

t.test('a directory serves as a store', async t => {
  const root = join(t.testdir({ bucket: {} }), 'bucket');
  const store = createDirectoryStore({ root });
  await store.put('blobs/workspace.tar', await workspaceTar());
  await store.put('experiments/e1/tb.tar', await tarOf({ name: 'events', content: '1' }));
  const home = join(root, '../home');
  mkdirSync(home);
  const { attempt, stage } = rig(t, store, { home });
  await stage();
  t.same(readdirSync(attempt.workspace.workspace), ['main.py']);
  t.same(readdirSync(attempt.workspace.directoryOf('tb')), ['events']);
});
