import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { listDirectory } from '../../lib/workspace/list-directory.ts';
import { packDirectory } from '../../lib/workspace/pack.ts';
import { whole } from '../helpers/whole.ts';

const packed = async (directory: string, key = 'x.tar', found?: Awaited<ReturnType<typeof listDirectory>>) =>
  whole(await packDirectory(directory, key, found));

/** Names, kinds, modes and contents as Python's tarfile reads them. */
const readByPython = (
  archive: Buffer,
): Record<string, { kind: string; mode: number; link: string; hash: string; size: number }> => {
  const script = `
import tarfile, sys, io, json, hashlib
t = tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()), mode='r:*')
out = {}
for m in t.getmembers():
    kind = 'file' if m.isreg() else 'directory' if m.isdir() else 'link' if m.issym() else 'other'
    data = t.extractfile(m).read() if m.isreg() else b''
    out[m.name] = {'kind': kind, 'mode': m.mode, 'link': m.linkname, 'size': m.size, 'hash': hashlib.sha1(data).hexdigest()}
print(json.dumps(out))`;
  return JSON.parse(execFileSync('python3', ['-c', script], { input: archive, maxBuffer: 1e8 }).toString()) as never;
};

const tree = (t: Test) => {
  const dir = t.testdir({ tree: { 'main.py': 'print(1)', sub: { data: 'x'.repeat(5000), empty: {} } } });
  const root = join(dir, 'tree');
  symlinkSync('sub/data', join(root, 'link'));
  chmodSync(join(root, 'main.py'), 0o754);
  return root;
};

t.test('python reads what was packed, under every extension', async t => {
  const root = tree(t);
  for (const key of ['a.tar', 'a.tar.gz', 'a.tgz', 'a.tar.bz2', 'a.tar.xz', 'a']) {
    const members = readByPython(await packed(root, key));
    t.same(Object.keys(members).sort(), ['link', 'main.py', 'sub', 'sub/data', 'sub/empty'], key);
    t.match(members['main.py'], { kind: 'file', mode: 0o754, size: 8 });
    t.match(members['link'], { kind: 'link', link: 'sub/data' });
    t.match(members['sub/empty'], { kind: 'directory' });
  }
});

t.test('the extension says how it is compressed', async t => {
  const root = tree(t);
  const plain = await packed(root, 'a.tar');
  t.ok(gunzipSync(await packed(root, 'a.tar.gz')).equals(plain));
  t.ok(gunzipSync(await packed(root, 'a.tgz')).equals(plain));
  t.ok(zstdDecompressSync(await packed(root, 'a.tar.zst')).equals(plain));
  t.ok((await packed(root, 'a.tar.other')).equals(plain), 'nobody knows how');
});

t.test('no name begins with ./, so that the client unpacks a directory even of one file', async t => {
  const dir = t.testdir({ retval: '1' });
  const archive = await packed(dir);
  t.same(Object.keys(readByPython(archive)), ['retval']);
  t.equal(archive.toString('latin1', 0, 6), 'retval');
});

t.test('GNU tar reads odd names: long ones, with newlines, beyond ASCII', async t => {
  const dir = t.testdir({ in: {}, out: {} });
  const names = [
    'line\nbreak',
    'ünïcödé',
    'n'.repeat(200),
    `${'d'.repeat(60)}/${'e'.repeat(60)}/${'f'.repeat(90)}`,
    '-dash',
  ];
  for (const name of names) {
    const path = join(dir, 'in', name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, name);
  }
  symlinkSync('x'.repeat(180), join(dir, 'in/long-link'));
  execFileSync('tar', ['-xf', '-', '-C', join(dir, 'out')], { input: await packed(join(dir, 'in')) });
  t.equal(execFileSync('diff', ['-r', '--no-dereference', 'in', 'out'], { cwd: dir }).toString(), '');
});

t.test('a large tree comes in pieces, a small one as a buffer; both are whole', async t => {
  const dir = t.testdir({ small: { f: 'x' }, large: {}, out: {} });
  for (let i = 0; i < 300; i++) writeFileSync(join(dir, 'large', `f${i}`), Buffer.alloc(i * 100, String(i)));
  writeFileSync(join(dir, 'large/big'), Buffer.alloc(2_500_001, 'big '));
  t.ok(Buffer.isBuffer(await packDirectory(join(dir, 'small'), 'a.tar')));
  for (const key of ['a.tar', 'a.tar.gz', 'a.tar.zst']) {
    const body = await packDirectory(join(dir, 'large'), key);
    t.notOk(Buffer.isBuffer(body));
    rmSync(join(dir, 'out'), { recursive: true });
    mkdirSync(join(dir, 'out'));
    const bytes = await whole(body);
    const archive = key.endsWith('zst') ? zstdDecompressSync(bytes) : key.endsWith('gz') ? gunzipSync(bytes) : bytes;
    execFileSync('tar', ['-xf', '-', '-C', join(dir, 'out')], { input: archive });
    t.equal(execFileSync('diff', ['-r', 'large', 'out'], { cwd: dir }).toString(), '', key);
  }
});

t.test('a directory without files is nothing to store', async t => {
  const dir = t.testdir({ a: { b: {} } });
  t.equal(await packDirectory(dir, 'a.tar'), undefined);
  t.equal(await packDirectory(join(dir, 'not-there'), 'a.tar'), undefined);
});

t.test('pipes and sockets are left out, and nothing waits at them', async t => {
  const dir = t.testdir({ tree: { f: 'x' } });
  execFileSync('mkfifo', [join(dir, 'tree/pipe')]);
  // bound by a relative name: a socket's path is short
  execFileSync('python3', ['-c', "import socket; socket.socket(socket.AF_UNIX).bind('socket')"], {
    cwd: join(dir, 'tree'),
  });
  t.same(Object.keys(readByPython(await packed(join(dir, 'tree')))), ['f']);
});

t.test('files that change between the look and the packing stop nothing', async t => {
  for (const size of [1000, 200_000, 3_000_000]) {
    const dir = t.testdir({
      gone: 'x',
      shrunk: 'y'.repeat(size),
      grown: 'z'.repeat(size),
      piped: 'p',
      dir: { f: 'x' },
    });
    writeFileSync(join(dir, 'same'), Buffer.alloc(size, 's'));
    const found = await listDirectory(dir);
    rmSync(join(dir, 'gone'));
    rmSync(join(dir, 'dir'), { recursive: true });
    rmSync(join(dir, 'piped'));
    execFileSync('mkfifo', [join(dir, 'piped')]);
    truncateSync(join(dir, 'shrunk'), 100);
    appendFileSync(join(dir, 'grown'), 'more');
    const members = readByPython(await packed(dir, 'a.tar', found));
    t.same(Object.keys(members).sort(), ['dir', 'grown', 'same', 'shrunk'], `${size} bytes`);
    t.match(members, { same: { size }, shrunk: { size: 100 }, grown: { size: size + 4 } });
  }
});

t.test('a file that shrinks while it is read is filled with zeros, one that grows is cut', async t => {
  const dir = t.testdir({ a: '', b: '' });
  const size = 4_000_000;
  writeFileSync(join(dir, 'a'), Buffer.alloc(size, 'a'));
  writeFileSync(join(dir, 'b'), 'b');
  const body = await packDirectory(dir, 'a.tar');
  if (body === undefined || Buffer.isBuffer(body)) throw new Error('expected pieces');
  const chunks: Buffer[] = [];
  for await (const chunk of body) {
    chunks.push(Buffer.from(chunk));
    if (chunks.length === 2) truncateSync(join(dir, 'a'), 10);
  }
  t.match(readByPython(Buffer.concat(chunks)), { a: { size }, b: { size: 1 } });
});

t.test('an archive that nobody reads to its end lets go of its file', async t => {
  const { readdirSync } = await import('node:fs');
  const dir = t.testdir();
  writeFileSync(join(dir, 'a'), Buffer.alloc(4_000_000));
  const before = readdirSync('/proc/self/fd').length;
  for (const key of ['a.tar', 'a.tar.gz']) {
    const body = await packDirectory(dir, key);
    if (body === undefined || Buffer.isBuffer(body)) throw new Error('expected pieces');
    for await (const _ of body) break;
  }
  const { eventually } = await import('../helpers/eventually.ts');
  const { equal } = await import('node:assert/strict');
  await eventually(() => equal(readdirSync('/proc/self/fd').length, before));
  t.pass('closed');
});
