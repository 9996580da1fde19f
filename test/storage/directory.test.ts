import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import type { ObjectInfo } from '../../lib/storage/object-store.ts';
import { objectStoreContract } from '../contracts/object-store.ts';

objectStoreContract(t, t => createDirectoryStore({ root: path.join(t.testdir(), 'bucket') }));

t.test('a link that leads out of the store is not followed', async t => {
  const home = t.testdir({ outside: { secret: 'x' }, bucket: { inside: 'y' } });
  const root = path.join(home, 'bucket');
  symlinkSync('../outside', path.join(root, 'door'));
  symlinkSync('../outside/secret', path.join(root, 'window'));
  symlinkSync('inside', path.join(root, 'alias'));
  const store = createDirectoryStore({ root });
  await t.rejects(store.get('door/secret'), { name: 'StoreError', code: 'invalid' });
  await t.rejects(store.get('window'), { name: 'StoreError', code: 'invalid' });
  await t.rejects(store.put('door/new', Buffer.from('z')), { name: 'StoreError', code: 'invalid' });
  await t.rejects(store.delete('door/secret'), { name: 'StoreError', code: 'invalid' });
  t.strictSame(readdirSync(path.join(home, 'outside')), ['secret']);
  const { body } = await store.get('alias');
  body.destroy();
});

t.test('a listing has what a link inside the store leads to, and does not leave out what it can not list', async t => {
  const home = t.testdir({ outside: 'x', bucket: { real: 'yy', d: { e: 'z' }, near: {}, far: {} } });
  const root = path.join(home, 'bucket');
  symlinkSync('../real', path.join(root, 'near/alias'));
  symlinkSync('../../outside', path.join(root, 'near/window'));
  symlinkSync('nowhere', path.join(root, 'near/broken'));
  symlinkSync('../d', path.join(root, 'far/door'));
  const store = createDirectoryStore({ root });
  const listed = async (prefix: string) => {
    const found: ObjectInfo[] = [];
    for await (const info of store.list(prefix)) found.push(info);
    return found;
  };
  const near = await listed('near/');
  t.equal(near.length, 1);
  t.match(near[0], { key: 'near/alias', sizeBytes: 2 });
  await t.rejects(listed('far/'), { code: 'invalid', message: /door is a link to a directory/ });
});

t.test('a store whose own directory is a link works', async t => {
  const home = t.testdir({ real: {} });
  symlinkSync('real', path.join(home, 'bucket'));
  const store = createDirectoryStore({ root: path.join(home, 'bucket') });
  await store.put('a/b', Buffer.from('x'));
  t.strictSame(readdirSync(path.join(home, 'real/a')), ['b']);
});

t.test('a directory is no object, and a file no directory', async t => {
  const root = t.testdir();
  mkdirSync(path.join(root, 'd/e'), { recursive: true });
  writeFileSync(path.join(root, 'f'), 'x');
  const store = createDirectoryStore({ root });
  await t.rejects(store.get('d'), { code: 'missing' });
  await t.rejects(store.get('f/g'), { code: 'missing' });
  await t.rejects(store.put('f/g', Buffer.from('x')), { code: 'invalid' });
  await t.rejects(store.put('d', Buffer.from('x')), { code: 'invalid' });
  t.strictSame(readdirSync(root).sort(), ['d', 'f']);
});

t.test('an object that two stores replace at once is replaced once', async t => {
  const root = t.testdir();
  const stores = [createDirectoryStore({ root }), createDirectoryStore({ root })];
  const { etag = '' } = (await stores[0]?.put('state', Buffer.from('0'))) ?? {};
  const ends = await Promise.allSettled(stores.map(store => store.put('state', Buffer.from('1'), { ifMatch: etag })));
  t.equal(ends.filter(({ status }) => status === 'fulfilled').length, 1);
});

t.test('an abort at any moment of a get is told to who reads, and ends nothing else', async t => {
  const root = t.testdir({ k: 'x'.repeat(1000) });
  const store = createDirectoryStore({ root });
  for (let turns = 0; turns < 40; turns++) {
    const control = new AbortController();
    const got = store.get('k', control.signal);
    got.catch(() => undefined);
    for (let turn = 0; turn < turns; turn++) await setImmediate();
    control.abort(new Error('the runner stops'));
    const object = await got.catch(() => undefined);
    // A stream that nobody reads yet would end the process.
    for (let turn = 0; turn < 3; turn++) await setImmediate();
    if (object) await t.rejects(text(object.body), { name: 'AbortError' });
  }
});
