import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import t from 'tap';
import { createTransferBar } from '../../../bin/submit/transfer-bar.ts';
import { storeWorkspace } from '../../../bin/submit/workspace.ts';
import { createDirectoryStore } from '../../../lib/storage/directory.ts';

t.test('a workspace is stored whole under the hash of its archive, and leaves no file behind', async t => {
  const directory = t.testdir({ small: { 'main.py': '1' }, large: { 'main.py': '2' }, empty: {}, store: {}, tmp: {} });
  const { TMPDIR } = process.env;
  t.teardown(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
  });
  process.env['TMPDIR'] = join(directory, 'tmp');
  writeFileSync(join(directory, 'large/data'), randomBytes(3 * 2 ** 20));
  const store = createDirectoryStore({ root: join(directory, 'store') });
  for (const name of ['small', 'large']) {
    const key = await storeWorkspace(join(directory, name), store, createTransferBar({ isShown: false }));
    const stored = await buffer((await store.get(key)).body);
    t.equal(key, `blobstore/${createHash('sha256').update(stored).digest('hex')}.tar`);
    t.ok(stored.includes('main.py'));
  }
  t.strictSame(readdirSync(join(directory, 'tmp')), []);
  await t.rejects(storeWorkspace(join(directory, 'empty'), store, createTransferBar({ isShown: false })), {
    name: 'OptionsError',
    message: /holds no files/,
  });
});

t.test('a transfer that takes longer is a bar in the last line, which goes when it is over', async t => {
  const written: string[] = [];
  let atMs = 0;
  const write = (text: string) => void written.push(text);
  const bar = createTransferBar({ write, isShown: true, columns: () => 70, now: () => (atMs += 700) });
  const body = bar.counted('put', 'workspace', 40, Readable.from([1, 2, 3, 4].map(() => Buffer.alloc(10))));
  t.equal((await buffer(body)).length, 40);
  const clear = '\r\u001b[K';
  t.match(written[0], /^\r\u001b\[K↑ workspace +█+░+ +\d+ % {2}\d+ B of 40 B/);
  t.ok(
    written.slice(0, -1).every(text => text.length < 70 + clear.length),
    'it fits the terminal',
  );
  t.equal(written.at(-1), clear);
});

t.test('where it can not be shown nothing is written', async t => {
  let atMs = 0;
  const bar = createTransferBar({
    write: () => t.fail('nothing is expected'),
    isShown: false,
    now: () => (atMs += 2000),
  });
  await buffer(bar.counted('get', 'output', undefined, Readable.from([Buffer.alloc(1)])));
  bar.clear();
});
