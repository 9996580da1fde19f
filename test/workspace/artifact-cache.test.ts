import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ownProcess } from '../../lib/resources/process-identity.ts';
import { createScope } from '../../lib/flow/scope.ts';
import type { AttemptScope } from '../../lib/model/attempt.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { createArtifactCache, type Wanted } from '../../lib/workspace/cache/artifact-cache.ts';
import { openOverlays, type Overlays } from '../../lib/workspace/cache/overlay.ts';
import { placesIn } from '../../lib/workspace/cache/places.ts';
import { createDiskBudget } from '../../lib/workspace/disk-budget.ts';
import { gate } from '../helpers/gate.ts';
import { tarOf } from '../helpers/tars.ts';
import { wantedOf } from '../helpers/wanted.ts';

const mebibyte = 1024 * 1024;
/** More than what is copied because it is small. */
const content = (byte: number) => Buffer.alloc(5 * mebibyte, byte);

interface SceneOptions {
  readonly limitBytes?: number;
  readonly overlays?: 'where possible' | 'none';
}

/** A store with objects, a cache, and attempts that want them. */
const scene = async (t: Test, { limitBytes = 2 ** 30, overlays = 'where possible' }: SceneOptions = {}) => {
  // Not a testdir: mounts have to go before it does.
  const dir = mkdtempSync(join(tmpdir(), 'studioml-cache-'));
  for (const one of ['store', 'cache', 'attempts', 'home']) mkdirSync(join(dir, one));
  const scopes: AttemptScope[] = [];
  t.teardown(async () => {
    for (const scope of scopes) await scope.close();
    rmSync(dir, { recursive: true });
  });
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const real = createDirectoryStore({ root: join(dir, 'store') });
  const store: ObjectStore & { gets: number } = {
    ...real,
    gets: 0,
    get: async (...call) => {
      const object = await real.get(...call);
      store.gets++;
      return object;
    },
  };
  const places = placesIn(join(dir, 'cache'));
  const mounts: Overlays | undefined = overlays === 'none' ? undefined : await openOverlays(join(dir, 'home/overlays'));
  let time = Date.now();
  const open = () =>
    createArtifactCache({
      places,
      limitBytes,
      overlays: mounts,
      mayMount: () => true,
      emit: bus.emit,
      now: () => (time += 1000),
    });
  let attempts = 0;
  const attempt = (key: string, over: Partial<Wanted> = {}) => {
    const directory = join(dir, 'attempts', String(++attempts));
    mkdirSync(directory);
    const scope = createScope((_name, error) => t.fail(String(error)));
    scopes.push(scope);
    const wanted: Wanted = { ...wantedOf({ store, key }, directory, scope), ...over };
    return { directory, scope, wanted, file: (name: string) => join(directory, name) };
  };
  const put = async (key: string, byte: number) =>
    real.put(
      key,
      await tarOf(
        { name: 'd/f', mode: 0o640, mtime: new Date(1e12), content: content(byte) },
        { name: 'l', type: 'symlink', linkname: 'd/f' },
      ),
    );
  const told = (name: string) => events.filter(({ event }) => event === name);
  return { dir, store, real, places, open, attempt, put, told, mounts };
};
const entriesOf = (places: { readonly entries: string }) => readdirSync(places.entries);

/** All that a program can do to a file that it was given. */
const vandalise = (directory: string): void => {
  execFileSync(
    'sh',
    ['-c', 'printf broken > d/f; : > d/f; chmod 777 d/f; touch d/new; mv d e; rm l; ln -s /etc l; chmod 700 .'],
    { cwd: directory },
  );
};

for (const overlays of ['where possible', 'none'] as const) {
  t.test(
    `an experiment does what it likes to what it was given, the next one sees pristine bytes (overlays: ${overlays})`,
    async t => {
      const { open, attempt, put, told, store, mounts } = await scene(t, { overlays });
      await put('a.tar', 7);
      const cache = await open();
      for (let i = 0; i < 4; i++) {
        const { directory, scope, wanted, file } = attempt('a.tar');
        t.equal(await cache.bring(wanted), 5 * mebibyte + 2 * 512);
        t.ok(readFileSync(file('d/f')).equals(content(7)));
        t.same(readdirSync(directory).sort(), ['d', 'l']);
        t.equal(statSync(file('d/f')).mode & 0o7777, 0o640);
        t.equal(statSync(file('d/f')).mtimeMs, 1e12);
        vandalise(directory);
        t.same(readdirSync(file('e')).sort(), ['f', 'new']);
        if (i % 2 === 0) await scope.close();
      }
      t.equal(store.gets, 1, 'one download');
      t.equal(told('cache-miss').length, 1);
      t.equal(told('cache-hit').length, 3);
      t.ok(told('cache-hit').every(({ fields }) => fields['by'] === (mounts ? 'overlay' : 'copy')));
      t.equal(told('cache-damaged').length, 0);
    },
  );
}

t.test('many attempts at once download once, and one that gives up holds up nobody', async t => {
  const { open, attempt, put, store } = await scene(t);
  await put('a.tar', 1);
  const cache = await open();
  const began = gate();
  const first = attempt('a.tar');
  const control = new AbortController();
  const given = cache.bring({
    ...first.wanted,
    signal: control.signal,
    unpack: async object => {
      object.body.destroy();
      began.open();
      await new Promise((_, reject) => control.signal.addEventListener('abort', () => reject(new Error('given up'))));
      return 0;
    },
  });
  await began.wait();
  const others = Array.from({ length: 10 }, () => attempt('a.tar'));
  const brought = Promise.all(others.map(({ wanted }) => cache.bring(wanted)));
  control.abort(new Error('given up'));
  await t.rejects(given, /given up/);
  await brought;
  for (const { file } of others) t.ok(readFileSync(file('d/f')).equals(content(1)));
  t.equal(store.gets, 2, 'one for who gave up, one for all others');
});

t.test('an object that changed is fetched again, one that is denied is not served', async t => {
  const { open, attempt, put, store } = await scene(t);
  await put('a.tar', 1);
  const cache = await open();
  await cache.bring(attempt('a.tar').wanted);
  await put('a.tar', 2);
  const second = attempt('a.tar');
  await cache.bring(second.wanted);
  t.ok(readFileSync(second.file('d/f')).equals(content(2)));
  const denied = attempt('a.tar');
  const closed: ObjectStore = {
    ...store,
    get: () => Promise.reject(Object.assign(new Error('denied'), { code: 'X' })),
  };
  await t.rejects(cache.bring({ ...denied.wanted, location: { store: closed, key: 'a.tar' } }), /denied/);
  t.same(readdirSync(denied.directory), []);
});

t.test('what is damaged is noticed and fetched again, however it was damaged', async t => {
  const { open, attempt, put, told, places } = await scene(t);
  await put('a.tar', 3);
  const cache = await open();
  const damages: readonly ((tree: string) => void)[] = [
    tree => appendFileSync(join(tree, 'd/f'), 'x'),
    tree => truncateSync(join(tree, 'd/f'), 10),
    tree => chmodSync(join(tree, 'd/f'), 0o777),
    tree => writeFileSync(join(tree, 'more'), ''),
    tree =>
      execFileSync('sh', ['-c', 'printf x | dd of=d/f conv=notrunc bs=1 seek=9 && touch -d @1000000000 d/f'], {
        cwd: tree,
        stdio: 'ignore',
      }),
    tree => execFileSync('rm', ['-r', tree]),
  ];
  await cache.bring(attempt('a.tar').wanted).then(() => undefined);
  for (const [index, damage] of damages.entries()) {
    const [hash = ''] = entriesOf(places);
    damage(join(places.entries, hash, 'tree'));
    const next = attempt('a.tar');
    await cache.bring(next.wanted);
    t.ok(readFileSync(next.file('d/f')).equals(content(3)));
    t.equal(told('cache-damaged').length, index + 1);
    await next.scope.close();
  }
  const [hash = ''] = entriesOf(places);
  writeFileSync(join(places.entries, hash, 'manifest.json'), '{');
  const last = attempt('a.tar');
  await cache.bring(last.wanted);
  t.ok(readFileSync(last.file('d/f')).equals(content(3)));
});

t.test('what was used longest ago makes room', async t => {
  const { open, attempt, put, told, store } = await scene(t, { limitBytes: 12 * mebibyte, overlays: 'none' });
  for (const [index, key] of ['a.tar', 'b.tar', 'c.tar'].entries()) await put(key, index);
  const cache = await open();
  for (const key of ['a.tar', 'b.tar', 'a.tar', 'c.tar', 'a.tar']) await cache.bring(attempt(key).wanted);
  t.equal(told('cache-evicted').length, 1);
  t.equal(store.gets, 3);
  await cache.bring(attempt('b.tar').wanted);
  t.equal(store.gets, 4);
});

t.test('a cache that is full of what is in use works, within its limit', async t => {
  const { open, attempt, put, told, mounts, places } = await scene(t, { limitBytes: 6 * mebibyte });
  if (!mounts) return t.plan(0, 'overlay file systems can not be mounted here');
  await put('a.tar', 1);
  await put('b.tar', 2);
  const cache = await open();
  const first = attempt('a.tar');
  await cache.bring(first.wanted);
  const second = attempt('b.tar');
  await cache.bring(second.wanted);
  t.ok(readFileSync(first.file('d/f')).equals(content(1)));
  t.ok(readFileSync(second.file('d/f')).equals(content(2)));
  t.equal(entriesOf(places).length, 1);
  t.match(told('cache-miss')[1]?.fields, { why: /no room that is not in use/ });
  await first.scope.close();
  const third = attempt('b.tar');
  await cache.bring(third.wanted);
  t.ok(readFileSync(third.file('d/f')).equals(content(2)));
  t.equal(entriesOf(places).length, 1);
});

t.test('what it brings counts against the disk of the attempt, fetched or not', async t => {
  const { open, attempt, put } = await scene(t);
  await put('a.tar', 1);
  const cache = await open();
  const tight = () => ({ budget: createDiskBudget(mebibyte) });
  await t.rejects(cache.bring(attempt('a.tar', tight()).wanted), { code: 'out-of-disk' });
  await cache.bring(attempt('a.tar').wanted);
  await t.rejects(cache.bring(attempt('a.tar', tight()).wanted), { code: 'out-of-disk' });
});

t.test('what a process left that died is removed at the next start, and only that', async t => {
  const { open, attempt, put, places, store, dir } = await scene(t);
  // Process 1 of here, of another time.
  const died = `${ownProcess.split('~').slice(0, 2).join('~')}~1~1`;
  const left = `${died}~left`;
  await put('a.tar', 1);
  await (await open()).bring(attempt('a.tar').wanted);
  for (const place of [places.staging, places.removing]) mkdirSync(join(place, left, 'tree'), { recursive: true });
  mkdirSync(join(dir, 'home/overlays', left, 'upper'), { recursive: true });
  const [hash = ''] = entriesOf(places);
  mkdirSync(join(places.users, hash), { recursive: true });
  writeFileSync(join(places.users, hash, `${died}~7`), '');
  const again = await open();
  await openOverlays(join(dir, 'home/overlays'));
  t.notOk([...readdirSync(places.staging), ...readdirSync(places.removing)].includes(left));
  t.notOk(existsSync(join(dir, 'home/overlays', left)));
  await again.bring(attempt('a.tar').wanted);
  t.equal(store.gets, 1);
});
