import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Test } from 'tap';
import { StoreError } from '../../lib/errors.ts';
import type { ObjectInfo, ObjectStore } from '../../lib/storage/object-store.ts';

const MiB = 2 ** 20;
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A body as a stream of chunks as files give them. */
const streamed = (bytes: Buffer, chunkBytes = 64 * 1024): Readable =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
    })(),
    { objectMode: false },
  );

const read = async (store: ObjectStore, key: string): Promise<Buffer> => buffer((await store.get(key)).body);

const listed = async (store: ObjectStore, prefix: string): Promise<readonly ObjectInfo[]> => {
  const found: ObjectInfo[] = [];
  for await (const info of store.list(prefix)) found.push(info);
  return found.sort((a, b) => (a.key < b.key ? -1 : 1));
};

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof StoreError ? error.code : String(error)),
  );

/** Run what every object store has to hold. @param open an empty store for each test */
export const objectStoreContract = (t: Test, open: (t: Test) => Promise<ObjectStore> | ObjectStore): void => {
  for (const [words, size] of [
    ['0 bytes', 0],
    ['1 byte', 1],
    ['5 MiB and a byte', 5 * MiB + 1],
    ['20 MiB', 20 * MiB],
  ] as const) {
    t.test(`a stream of ${words} comes back as it was`, async t => {
      const store = await open(t);
      const bytes = randomBytes(size);
      const { etag } = await store.put('some/key', streamed(bytes));
      const { body, sizeBytes, etag: found } = await store.get('some/key');
      t.equal(sha256(await buffer(body)), sha256(bytes));
      t.equal(sizeBytes, size);
      t.ok(etag);
      t.equal(found, etag);
    });
  }

  t.test('a buffer comes back as it was, an empty one too', async t => {
    const store = await open(t);
    await store.put('full', Buffer.from('hello'));
    await store.put('empty', Buffer.alloc(0));
    t.equal((await read(store, 'full')).toString(), 'hello');
    t.equal((await read(store, 'empty')).length, 0);
  });

  t.test('who reads while an object is replaced gets the old one or the new one', async t => {
    const store = await open(t);
    const versions = [1, 2, 3, 4].map(value => Buffer.alloc(3 * MiB, value));
    await store.put('key', versions[0] as Buffer);
    const reading = Promise.all(
      versions.map(async () => {
        const seen = await read(store, 'key');
        return seen.length === 3 * MiB && seen.every(byte => byte === seen[0]);
      }),
    );
    for (const version of versions) await store.put('key', streamed(version));
    t.strictSame(await reading, [true, true, true, true]);
    t.equal((await read(store, 'key'))[0], 4);
  });

  t.test('what is not there is missing, and deleting it is no error', async t => {
    const store = await open(t);
    t.equal(await codeOf(store.get('no/such')), 'missing');
    await store.delete('no/such');
    await store.put('a', Buffer.from('x'));
    await store.delete('a');
    t.equal(await codeOf(store.get('a')), 'missing');
    t.strictSame(await listed(store, ''), []);
  });

  t.test('of eight that create an object at once one wins', async t => {
    const store = await open(t);
    const puts = Array.from({ length: 8 }, (_, i) =>
      codeOf(store.put('lock', Buffer.from(String(i)), { ifNoneMatch: '*' })),
    );
    const ends = await Promise.all(puts);
    t.equal(ends.filter(end => end === 'done').length, 1, ends.join());
    t.equal((await read(store, 'lock')).toString(), String(ends.indexOf('done')));
    t.equal(await codeOf(store.put('lock', Buffer.from('late'), { ifNoneMatch: '*' })), 'precondition');
  });

  t.test('of eight that replace the same version at once one wins', async t => {
    const store = await open(t);
    const { etag = '' } = await store.put('state', Buffer.from('first'));
    const ends = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        codeOf(store.put('state', Buffer.from(`new ${String(i)}`), { ifMatch: etag })),
      ),
    );
    t.equal(ends.filter(end => end === 'done').length, 1, ends.join());
    t.equal((await read(store, 'state')).toString(), `new ${String(ends.indexOf('done'))}`);
    t.equal(await codeOf(store.put('state', Buffer.from('late'), { ifMatch: etag })), 'precondition');
    const now = await store.get('state');
    now.body.destroy();
    t.equal(await codeOf(store.put('state', streamed(Buffer.from('next')), { ifMatch: now.etag ?? '' })), 'done');
  });

  t.test('an object is read again only where it is another one by now', async t => {
    const store = await open(t);
    const { etag = '' } = await store.put('state', Buffer.from('first'));
    const again = async () => (await store.get('state', undefined, { ifNoneMatch: etag })).body;
    t.equal(await codeOf(again()), 'precondition');
    await store.put('state', Buffer.from('other'));
    t.equal((await buffer(await again())).toString(), 'other');
    await store.delete('state');
    t.equal(await codeOf(again()), 'missing');
  });

  t.test('reading goes on from a byte, as long as it is the same object', async t => {
    const store = await open(t);
    const bytes = randomBytes(300_000);
    const { etag = '' } = await store.put('key', bytes);
    for (const startByte of [0, 1, 299_999]) {
      const { body, sizeBytes } = await store.get('key', undefined, { startByte, ifMatch: etag });
      t.ok((await buffer(body)).equals(bytes.subarray(startByte)));
      t.equal(sizeBytes, bytes.length, 'the whole, whatever part is read');
    }
    await store.put('key', randomBytes(300_000));
    t.equal(await codeOf(store.get('key', undefined, { startByte: 5, ifMatch: etag })), 'precondition');
  });

  t.test('a digest that a store tells is that of the object', async t => {
    const store = await open(t);
    for (const size of [0, 1000, 20 * MiB]) {
      const bytes = randomBytes(size);
      await store.put('key', streamed(bytes));
      for (const isDamaged of [false, true]) {
        const { body, check } = await store.get('key');
        const got = await buffer(body);
        if (!check) break;
        if (isDamaged && size > 0) got[size - 1] = (got[size - 1] ?? 0) ^ 1;
        for (let at = 0; at < size; at += 100_003) check.update(got.subarray(at, at + 100_003));
        t.equal(check.fault() !== undefined, isDamaged && size > 0);
      }
    }
  });

  t.test('keys keep their odd characters', async t => {
    const store = await open(t);
    const keys = [
      'a b/c+d',
      '100%/%41',
      'ünï/日本/🙂',
      `quo"te/it's`,
      'semi;colon&amp=1',
      'tilde~!*()',
      '<tag>',
      '#hash?q=1',
      '.hidden/..twice',
    ].sort();
    for (const key of keys) await store.put(`odd/${key}`, Buffer.from(key));
    for (const key of keys) t.equal((await read(store, `odd/${key}`)).toString(), key);
    t.strictSame(
      (await listed(store, 'odd/')).map(({ key }) => key),
      keys.map(key => `odd/${key}`),
    );
    t.equal((await listed(store, 'odd/a b')).length, 1);
  });

  t.test('keys that lead out of the store are refused', async t => {
    const store = await open(t);
    for (const key of ['', '../evil', 'a/../../evil', '..', 'a/..', 'nul\0byte'])
      for (const work of [store.get(key), store.put(key, Buffer.from('x'))])
        t.match(await codeOf(work), /^(invalid|missing)$/, JSON.stringify(key));
  });

  t.test('a listing has every object below a prefix, over its pages', async t => {
    const store = await open(t);
    const keys = Array.from({ length: 1100 }, (_, i) => `list/${String(i % 11)}/${String(i).padStart(4, '0')}`).sort();
    const waiting = [...keys, 'lis', 'other/1'];
    const work = async (): Promise<void> => {
      for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) await store.put(key, Buffer.from('12'));
    };
    await Promise.all(Array.from({ length: 16 }, work));
    const all = await listed(store, 'list/');
    t.strictSame(
      all.map(({ key }) => key),
      keys,
    );
    t.ok(all.every(({ sizeBytes, etag }) => sizeBytes === 2 && etag !== undefined));
    t.equal((await listed(store, 'list/10/00')).length, 9);
    t.equal((await listed(store, 'none')).length, 0);
  });

  for (const [words, before] of [
    ['early', 1 * MiB],
    ['after its first parts', 20 * MiB],
  ] as const) {
    t.test(`a put that is aborted ${words} leaves nothing`, async t => {
      const store = await open(t);
      const control = new AbortController();
      const reason = new Error('stop here');
      let sent = 0;
      const endless = new Readable({
        read() {
          if (sent < before) this.push(Buffer.alloc(64 * 1024));
          else control.abort(reason);
          sent += 64 * 1024;
        },
      });
      await t.rejects(store.put('half', endless, { signal: control.signal }), reason);
      t.ok(endless.destroyed);
      t.equal(await codeOf(store.get('half')), 'missing');
      t.strictSame(await listed(store, ''), []);
    });
  }

  t.test('a stream that fails leaves nothing, and its own error is told', async t => {
    const store = await open(t);
    const failing = Readable.from(
      (function* () {
        for (let i = 0; i < 10; i++) yield Buffer.alloc(MiB);
        throw new Error('the disk is broken');
      })(),
      { objectMode: false },
    );
    await t.rejects(store.put('half', failing), /the disk is broken/);
    t.strictSame(await listed(store, ''), []);
  });

  t.test('reading ends with the reason of an abort', async t => {
    const store = await open(t);
    await store.put('key', Buffer.alloc(20 * MiB));
    const control = new AbortController();
    const { body } = await store.get('key', control.signal);
    await once(body, 'readable');
    control.abort(new Error('enough'));
    await t.rejects(buffer(body));
    await t.rejects(store.get('key', AbortSignal.abort(new Error('before'))), { message: 'before' });
  });
};
