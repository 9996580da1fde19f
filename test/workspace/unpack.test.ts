import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { StoreError } from '../../lib/errors.ts';
import { createDiskBudget } from '../../lib/workspace/disk-budget.ts';
import { storeFile, unpackArchive, type UnpackOptions } from '../../lib/workspace/unpack.ts';
import { bodyOf, tarOf } from '../helpers/tars.ts';

const large = Buffer.alloc(6 * 1024 * 1024, 'some text that repeats ');

const unpacked = async (t: Test, archive: Buffer, options: UnpackOptions = {}, chunkBytes?: number) => {
  const target = join(t.testdir({ target: {} }), 'target');
  await unpackArchive(bodyOf(archive, chunkBytes), target, options);
  return target;
};

t.test('files, directories and links come out as they went in', async t => {
  const mtime = new Date('2020-02-03T04:05:06Z');
  const archive = await tarOf(
    { name: './', type: 'directory' },
    { name: './src/', type: 'directory', mode: 0o750, mtime },
    { name: './src/main.py', mode: 0o755, content: 'print(1)', mtime },
    { name: 'empty', mode: 0o444, content: '' },
    { name: 'src/link.py', type: 'symlink', linkname: 'main.py' },
    { name: 'hard.py', type: 'link', linkname: 'src/main.py' },
    { name: 'no/parents/named', content: 'x' },
  );
  const target = await unpacked(t, archive);
  t.same(readdirSync(target).sort(), ['empty', 'hard.py', 'no', 'src']);
  t.equal(readFileSync(join(target, 'src/main.py'), 'utf8'), 'print(1)');
  t.equal(statSync(join(target, 'src/main.py')).mode & 0o7777, 0o755);
  t.equal(statSync(join(target, 'src/main.py')).mtimeMs, mtime.getTime());
  t.equal(statSync(join(target, 'src')).mode & 0o7777, 0o750);
  t.equal(statSync(join(target, 'src')).mtimeMs, mtime.getTime());
  t.equal(statSync(join(target, 'empty')).mode & 0o7777, 0o444);
  t.equal(readlinkSync(join(target, 'src/link.py')), 'main.py');
  t.equal(statSync(join(target, 'hard.py')).ino, statSync(join(target, 'src/main.py')).ino);
});

t.test('a body may come in pieces of any size', async t => {
  const archive = await tarOf(
    { name: 'd/', type: 'directory' },
    { name: 'd/f', content: large },
    { name: 'z', content: 'z' },
  );
  for (const chunkBytes of [511, 4096, 65_536, 1_000_003]) {
    const target = await unpacked(t, archive, {}, chunkBytes);
    t.ok(readFileSync(join(target, 'd/f')).equals(large), String(chunkBytes));
    t.equal(readFileSync(join(target, 'z'), 'utf8'), 'z');
  }
});

t.test('compression is told by the content, for small archives and large ones', async t => {
  for (const content of [Buffer.from('small'), large]) {
    const archive = await tarOf({ name: 'f', content });
    for (const packed of [archive, gzipSync(archive), zstdCompressSync(archive)]) {
      t.ok(readFileSync(join(await unpacked(t, packed), 'f')).equals(content));
    }
  }
});

t.test('random data that stays large when compressed is streamed through the decompressor', async t => {
  const { randomBytes } = await import('node:crypto');
  const content = randomBytes(3 * 1024 * 1024);
  const archive = await tarOf({ name: 'f', content });
  for (const packed of [gzipSync(archive), zstdCompressSync(archive)]) {
    t.ok(readFileSync(join(await unpacked(t, packed, {}, 50_000), 'f')).equals(content));
  }
});

t.test('what is no archive at all is refused', async t => {
  const refused = (why: RegExp) => ({ code: 'artifact-invalid', message: why });
  await t.rejects(unpacked(t, Buffer.alloc(0)), refused(/it is empty/));
  await t.rejects(unpacked(t, Buffer.from('<html>not found</html>')), refused(/cut off after 22 bytes/));
  await t.rejects(
    unpacked(t, Buffer.alloc(2000, 'x')),
    refused(/it is no archive; expected tar, or a tar that is compressed/),
  );
  await t.rejects(unpacked(t, Buffer.from([0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])), refused(/archive refused/));
});

t.test('an archive with nothing in it leaves the directory empty', async t => {
  t.same(readdirSync(await unpacked(t, Buffer.alloc(10_240))), []);
});

t.test('an archive that is cut off is refused wherever it was cut', async t => {
  const members = [
    { name: 'd/', type: 'directory' as const },
    { name: 'd/zeros', content: Buffer.alloc(3000) },
    { name: `${'long/'.repeat(40)}name`, content: 'x'.repeat(700) },
    { name: 'last', content: 'y' },
  ];
  const archive = await tarOf(...members);
  const end = archive.length - 1024;
  let refused = 0;
  for (let length = 512; length <= end; length += 512) {
    await t.rejects(unpacked(t, archive.subarray(0, length)), {
      code: 'artifact-invalid',
      message: /is cut off after/,
    });
    refused++;
  }
  t.ok(refused > 10);
  await t.rejects(unpacked(t, archive.subarray(0, 700)), { code: 'artifact-invalid', message: /is cut off after 700/ });
});

t.test('a compressed archive that is cut off or damaged is refused', async t => {
  const { randomBytes } = await import('node:crypto');
  for (const content of [randomBytes(2000), randomBytes(2 * 1024 * 1024)]) {
    const archive = await tarOf({ name: 'f', content });
    for (const packed of [gzipSync(archive), zstdCompressSync(archive)]) {
      for (const part of [0.1, 0.5, 0.9]) {
        const cut = packed.subarray(0, Math.floor(packed.length * part));
        await t.rejects(unpacked(t, cut), { code: 'artifact-invalid', message: /cut off/ });
      }
    }
    const damaged = Buffer.from(gzipSync(archive));
    damaged.fill(0x55, 100, 140);
    await t.rejects(unpacked(t, damaged), { code: 'artifact-invalid' });
  }
});

t.test('garbage in the middle is told with its place, after the end it is passed over', async t => {
  const archive = await tarOf({ name: 'f', content: 'x' });
  const target = await unpacked(t, Buffer.concat([archive, Buffer.alloc(5000, 'garbage')]));
  t.same(readdirSync(target), ['f']);
  const broken = Buffer.concat([archive.subarray(0, 1024), Buffer.alloc(1024, 'garbage')]);
  await t.rejects(unpacked(t, broken), { code: 'artifact-invalid', message: /damaged at byte 1024/ });
});

t.test('archives of GNU tar and of Python in their formats are read', async t => {
  const dir = t.testdir({ in: { sub: {} } });
  const names = ['plain', 'with\nnewline', 'ünïcödé', 'n'.repeat(150), `sub/${'m'.repeat(180)}`];
  for (const name of names) writeFileSync(join(dir, 'in', name), name);
  const write = (...args: string[]) =>
    execFileSync(args[0] ?? '', args.slice(1), { cwd: join(dir, 'in'), maxBuffer: 1e8 });
  const python = (format: string) =>
    `import tarfile, sys\nt = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.${format})\nt.add('.', arcname='.')\nt.close()`;
  const archives = {
    gnu: write('tar', '--format=gnu', '-cf', '-', '.'),
    posix: write('tar', '--format=posix', '-cf', '-', '.'),
    'python gnu': write('python3', '-c', python('GNU_FORMAT')),
    'python pax': write('python3', '-c', python('PAX_FORMAT')),
  };
  for (const [kind, archive] of Object.entries(archives)) {
    const target = await unpacked(t, archive);
    for (const name of names) t.equal(readFileSync(join(target, name), 'utf8'), name, `${kind}: ${name.slice(0, 20)}`);
  }
});

t.test('names that are not UTF-8 are kept as they are', async t => {
  const dir = t.testdir();
  const odd = Buffer.from([0x61, 0xff, 0xfe]);
  const script = `import tarfile, sys, io\nt = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.GNU_FORMAT)\ni = tarfile.TarInfo('a\\udcff\\udcfe'); i.size = 2\nt.addfile(i, io.BytesIO(b'ok')); t.close()`;
  await unpackArchive(bodyOf(execFileSync('python3', ['-c', script])), dir);
  t.equal(readFileSync(Buffer.concat([Buffer.from(`${dir}/`), odd]), 'utf8'), 'ok');
});

t.test('a single file in the form of the client comes out under its name', async t => {
  const archive = await tarOf({ name: './args', content: '{}' });
  t.same(readdirSync(await unpacked(t, archive)), ['args']);
});

t.test('a later entry of a name replaces the earlier one', async t => {
  const archive = await tarOf(
    { name: 'f', content: 'old' },
    { name: 'f', content: 'new' },
    { name: 'l', type: 'symlink', linkname: 'f' },
    { name: 'l', content: 'a file' },
  );
  const target = await unpacked(t, archive);
  t.equal(readFileSync(join(target, 'f'), 'utf8'), 'new');
  t.ok(lstatSync(join(target, 'l')).isFile());
});

t.test('bytes are counted while they are written: a bomb stops early', async t => {
  const bomb = gzipSync(await tarOf({ name: 'bomb', content: Buffer.alloc(50 * 1024 * 1024) }));
  t.ok(bomb.length < 100_000);
  const dir = t.testdir({ target: {} });
  const budget = createDiskBudget(1024 * 1024);
  const work = unpackArchive(bodyOf(bomb), join(dir, 'target'), { budget });
  await t.rejects(work, { code: 'out-of-disk', message: /limitBytes=1048576/ });
  t.ok(statSync(join(dir, 'target/bomb')).size <= 1024 * 1024);
});

t.test('a million empty files are a bomb as well', async t => {
  const members = Array.from({ length: 3000 }, (_, index) => ({ name: String(index), content: '' }));
  const work = unpacked(t, await tarOf(...members), { budget: createDiskBudget(1024 * 1024) });
  await t.rejects(work, { code: 'out-of-disk' });
});

t.test('the budget is shared, and what failed gives its part back', async t => {
  const budget = createDiskBudget(10_000);
  const fits = await tarOf({ name: 'f', content: Buffer.alloc(6000) });
  await t.rejects(unpacked(t, fits.subarray(0, 5120), { budget }), { code: 'artifact-invalid' });
  await unpacked(t, fits, { budget });
  await t.rejects(unpacked(t, fits, { budget }), { code: 'out-of-disk' });
});

t.test('a body that ends before its size was reached failed on its way, and is no bad archive', async t => {
  const archive = await tarOf({ name: 'f', content: large });
  for (const length of [600, 5 * 1024 * 1024]) {
    const cut = unpacked(t, archive.subarray(0, length), { sizeBytes: archive.length });
    await t.rejects(cut, {
      code: 'unavailable',
      message: new RegExp(`ended after ${length} of ${archive.length} bytes`),
    });
  }
});

t.test('an error of the body comes out as it is', async t => {
  const error = new StoreError('unavailable', 'cut');
  const archive = await tarOf({ name: 'f', content: large });
  const failing = (length: number) =>
    Readable.from(
      (function* () {
        yield archive.subarray(0, length);
        throw error;
      })(),
      { objectMode: false },
    );
  for (const length of [600, 5 * 1024 * 1024]) {
    await t.rejects(unpackArchive(failing(length), t.testdir()), error);
  }
});

t.test('an abort ends it with its reason, in mid-file too', async t => {
  const archive = await tarOf({ name: 'f', content: large });
  const control = new AbortController();
  const reason = new Error('stop');
  const slow = Readable.from(
    (async function* () {
      yield archive.subarray(0, 5 * 1024 * 1024);
      control.abort(reason);
      await new Promise(() => undefined);
    })(),
    { objectMode: false },
  );
  await t.rejects(unpackArchive(slow, t.testdir(), { signal: control.signal }), reason);
  t.ok(slow.destroyed);
});

t.test('nothing stays open after a failure', async t => {
  const open = () => readdirSync('/proc/self/fd').length;
  const archive = await tarOf({ name: 'f', content: large });
  await t.rejects(unpacked(t, archive.subarray(0, 5_000_000)));
  const before = open();
  for (let i = 0; i < 5; i++) await t.rejects(unpacked(t, archive.subarray(0, 5_000_000)));
  t.equal(open(), before);
});

t.test('an artifact that is not to be unpacked is stored as it is under its base name', async t => {
  const dir = t.testdir();
  t.equal(await storeFile(bodyOf(Buffer.from('raw')), dir, 'blobs/data.tar', {}), 3 + 512);
  t.equal(readFileSync(join(dir, 'data.tar'), 'utf8'), 'raw');
  await storeFile(bodyOf(large, 65_536), dir, 'large.bin');
  t.ok(readFileSync(join(dir, 'large.bin')).equals(large));
  await storeFile(bodyOf(Buffer.from('x')), dir, 'blobs/..');
  t.equal(readFileSync(join(dir, 'file'), 'utf8'), 'x');
  await storeFile(bodyOf(Buffer.alloc(0)), dir, 'empty');
  t.equal(statSync(join(dir, 'empty')).size, 0);
});

t.test('a name that no file can have is refused', async t => {
  await t.rejects(storeFile(bodyOf(Buffer.from('x')), t.testdir(), 'n'.repeat(300)), { code: 'artifact-invalid' });
  await t.rejects(storeFile(bodyOf(Buffer.from('x')), t.testdir(), 'a\0b'), { code: 'artifact-invalid' });
});

t.test('a file that is larger than the budget stops early', async t => {
  const dir = t.testdir();
  mkdirSync(join(dir, 'd'));
  const work = storeFile(bodyOf(large, 65_536), join(dir, 'd'), 'f', { budget: createDiskBudget(100_000) });
  await t.rejects(work, { code: 'out-of-disk' });
});
