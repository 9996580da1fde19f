import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { StoreError } from '../../lib/errors.ts';
import { createScope } from '../../lib/flow/scope.ts';
import type { FenceMark } from '../../lib/model/attempt.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import { createFence } from '../../lib/storage/fence.ts';
import { holdFence, renewByFrom } from '../../lib/storage/held-fence.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';

const key = 'experiments/e1.attempt';
const atMs = Date.parse('2026-01-01T12:00:00Z');
const ours: FenceMark = {
  attempt: 1,
  accession: 'one',
  state: 'running',
  at: new Date(atMs).toISOString(),
  until: new Date(atMs + 3_600_000).toISOString(),
  renewBy: renewByFrom(atMs),
};

const rig = async (t: Test, over: (real: ObjectStore) => Partial<ObjectStore> = () => ({})) => {
  const real = createDirectoryStore({ root: join(t.testdir(), 'db') });
  const place = { store: { ...real, ...over(real) }, key };
  const etag = await createFence({ store: real, key }, ours);
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => {
    mock.timers.reset();
  });
  const clock = { ms: atMs };
  const scope = createScope(() => undefined);
  const failures: unknown[] = [];
  const fence = holdFence(place, ours, etag, {
    now: () => clock.ms,
    scope,
    onFailure: error => failures.push(error),
  });
  const minute = () => {
    clock.ms += 60_000;
    mock.timers.tick(60_000);
  };
  const mark = async () => JSON.parse(await text((await real.get(key)).body)) as FenceMark;
  const put = (value: FenceMark) => real.put(key, Buffer.from(JSON.stringify(value)));
  return { real, fence, scope, failures, clock, minute, mark, put };
};
/** `eventually` without a clock, which stands still here. */
const soon = async (look: () => Promise<void>): Promise<void> => {
  for (let turn = 0; turn < 1000; turn++) {
    try {
      return await look();
    } catch {
      await new Promise(resolve => setImmediate(resolve));
    }
  }
  return look();
};
const { signal } = new AbortController();

t.test('a mark is renewed each minute while its attempt goes on, and tells from when it runs', async t => {
  const { fence, minute, clock, mark } = await rig(t);
  for (let turn = 0; turn < 3; turn++) {
    minute();
    await soon(async () => assert.equal((await mark()).renewBy, renewByFrom(clock.ms)));
    t.match(await mark(), { state: 'running', at: ours.at, until: ours.until });
  }
  await fence.end('done', signal);
  t.strictSame(await mark(), { attempt: 1, accession: 'one', state: 'done', at: new Date(clock.ms).toISOString() });
});

t.test('nothing is renewed once the attempt is over', async t => {
  const { scope, minute, mark } = await rig(t);
  await scope.close();
  minute();
  await new Promise(resolve => setImmediate(resolve));
  t.strictSame(await mark(), ours);
});

t.test('the mark of another attempt is left alone, and so is an object that went', async t => {
  let gets = 0;
  const { real, fence, failures, minute, mark, put } = await rig(t, real => ({
    get: (...args) => (gets++, real.get(...args)),
  }));
  await real.delete(key);
  minute();
  await soon(async () => assert.equal(gets, 1));
  const theirs = { ...ours, accession: 'two' };
  await put(theirs);
  for (let turn = 0; gets < 2 && turn < 1000; turn++) {
    minute();
    await new Promise(resolve => setImmediate(resolve));
  }
  t.strictSame(await mark(), theirs);
  t.match(await fence.look(signal), { accession: 'two' });
  await t.rejects(fence.end('done', signal), { code: 'precondition' });
  t.strictSame(await mark(), theirs);
  t.strictSame(failures, []);
});

t.test('a renewal that fails is told and tried again', async t => {
  let fails = true;
  const { failures, minute, clock, mark } = await rig(t, real => ({
    get: (...args) => (fails ? Promise.reject(new StoreError('unavailable', 'no')) : real.get(...args)),
  }));
  minute();
  await soon(async () => assert.equal(failures.length, 1));
  fails = false;
  minute();
  await soon(async () => assert.equal((await mark()).renewBy, renewByFrom(clock.ms)));
});

t.test('the end is written where the answer to a renewal got lost', async t => {
  let loses = true;
  const { fence, failures, minute, mark } = await rig(t, real => ({
    put: async (...args) => {
      const stored = await real.put(...args);
      if (loses) throw new StoreError('unavailable', 'the answer got lost');
      return stored;
    },
  }));
  minute();
  await soon(async () => assert.equal(failures.length, 1));
  loses = false;
  await fence.end('done', signal);
  t.match(await mark(), { accession: 'one', state: 'done' });
});
