import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { unpackArchive, type UnpackOptions } from '../../lib/workspace/unpack.ts';
import { createDiskBudget } from '../../lib/workspace/disk-budget.ts';
import { byPython, compressions, zipOf } from '../helpers/compressed.ts';
import { bodyOf, tarOf } from '../helpers/tars.ts';

const unpacked = async (t: Test, archive: Buffer, options: UnpackOptions = {}): Promise<string> => {
  if (!existsSync(t.testdirName)) t.testdir();
  const dir = mkdtempSync(join(t.testdirName, 'unpacked-'));
  await unpackArchive(bodyOf(archive, 65_536), dir, options);
  return dir;
};
/** Larger than what is unpacked without a thread. */
const veryLarge = randomBytes(4_300_000);
/** The same for what takes long to decode. */
const somewhatLarge = veryLarge.subarray(0, 300_000);

for (const [name, compress] of Object.entries(compressions)) {
  const large = ['bzip2', 'xz'].includes(name) ? somewhatLarge : veryLarge;
  t.test(`a tar in ${name} is unpacked, small and large`, async t => {
    const members = [{ name: 'd/f', content: 'small' }];
    for (const content of [Buffer.alloc(0), large]) {
      const archive = compress(await tarOf(...members, { name: 'content', content }));
      const dir = await unpacked(t, archive, { name: 'wrong.zip' });
      t.equal(readFileSync(join(dir, 'd/f'), 'utf8'), 'small');
      t.ok(readFileSync(join(dir, 'content')).equals(content));
    }
  });

  t.test(`several streams of ${name} one after another are one`, async t => {
    const archive = await tarOf({ name: 'f', content: large });
    const parts = [archive.subarray(0, 1000), archive.subarray(1000, 200_000), archive.subarray(200_000)];
    const dir = await unpacked(t, Buffer.concat(parts.map(compress)));
    t.ok(readFileSync(join(dir, 'f')).equals(large));
  });

  t.test(`${name} that is cut off or damaged is refused`, async t => {
    for (const content of [large.subarray(0, 2000), large]) {
      const whole = compress(await tarOf({ name: 'f', content }));
      for (const length of [8, Math.floor(whole.length / 2), whole.length - 3]) {
        await t.rejects(unpacked(t, whole.subarray(0, length)), { code: 'artifact-invalid', message: /cut off/ });
      }
      const damaged = Buffer.from(whole);
      damaged.fill(0x55, 900, 940);
      await t.rejects(unpacked(t, damaged), { code: 'artifact-invalid', message: /archive refused/ });
    }
  });

  t.test(`a bomb in ${name} stops early`, async t => {
    const bomb = compress(await tarOf({ name: 'bomb', content: Buffer.alloc(16 * 1024 * 1024) }));
    const dir = t.testdir({ target: {} });
    const budget = createDiskBudget(1024 * 1024);
    await t.rejects(unpackArchive(bodyOf(bomb), join(dir, 'target'), { budget }), { code: 'out-of-disk' });
    t.ok(statSync(join(dir, 'target/bomb')).size <= 1024 * 1024);
    budget.spend(1024 * 1024);
  });
}

t.test('a zip is unpacked with its modes, times and links, small and large', async t => {
  for (const content of ['print(1)', veryLarge]) {
    const archive = zipOf(
      { name: 'd/', mode: 0o040750 },
      { name: 'd/run.sh', mode: 0o104755, content: 'x'.repeat(1000) },
      { name: 'main.py', content },
      { name: 'link', mode: 0o120777, content: 'd/run.sh' },
      { name: 'ünï', content: 'u' },
    );
    const dir = await unpacked(t, archive);
    t.same(readdirSync(dir).sort(), ['d', 'link', 'main.py', 'ünï']);
    t.equal(readlinkSync(join(dir, 'link')), 'd/run.sh');
    t.ok(readFileSync(join(dir, 'main.py')).equals(Buffer.from(content)));
    t.equal(statSync(join(dir, 'd')).mode & 0o7777, 0o750);
    t.equal(statSync(join(dir, 'd/run.sh')).mode & 0o7777, 0o755);
    t.equal(statSync(join(dir, 'main.py')).mtime.getFullYear(), 2020);
    t.notOk(readdirSync(dir).some(name => name.startsWith('.spool')));
  }
});

t.test('zips of others are read: stored, empty, with 64-bit sizes, after something else', async t => {
  const zip = (how: string) => byPython(`b = io.BytesIO()\n${how}\nout.write(b.getvalue())`);
  const stored = zip(`z = zipfile.ZipFile(b, 'w')\nz.writestr('f', 'stored')\nz.close()`);
  t.equal(readFileSync(join(await unpacked(t, stored), 'f'), 'utf8'), 'stored');
  t.same(readdirSync(await unpacked(t, zip(`zipfile.ZipFile(b, 'w').close()`))), []);
  const big = zip(
    `z = zipfile.ZipFile(b, 'w')\nwith z.open('f', 'w', force_zip64=True) as f: f.write(b'wide')\nz.close()`,
  );
  t.equal(readFileSync(join(await unpacked(t, big), 'f'), 'utf8'), 'wide');
  const after = zip(
    `b.write(b'#!/bin/sh\\nexit\\n')\nz = zipfile.ZipFile(b, 'a')\nz.writestr('f', 'stored')\nz.close()`,
  );
  await t.rejects(unpacked(t, after), { code: 'artifact-invalid' });
  t.equal(readFileSync(join(await unpacked(t, after, { name: 'a/b.ZIP' }), 'f'), 'utf8'), 'stored');
});

t.test('a zip that is cut off, damaged or packed in another way is refused', async t => {
  const archive = zipOf({ name: 'f', content: veryLarge.subarray(0, 5000) });
  for (const length of [30, 3000, archive.length - 30]) {
    await t.rejects(unpacked(t, archive.subarray(0, length)), { code: 'artifact-invalid', message: /archive refused/ });
  }
  const damaged = Buffer.from(archive);
  damaged[100] = (damaged[100] ?? 0) ^ 1;
  await t.rejects(unpacked(t, damaged), { code: 'artifact-invalid', message: /checksum|invalid/ });
  const odd = byPython(`z = zipfile.ZipFile(out, 'w', zipfile.ZIP_LZMA)\nz.writestr('f', 'x' * 1000)\nz.close()`);
  await t.rejects(unpacked(t, odd), {
    code: 'artifact-invalid',
    message: /method 14; expected stored or deflate \[entry=f\]/,
  });
});

t.test('sparse files of GNU tar come out the same in each of its formats', async t => {
  const dir = t.testdir({ in: {} });
  const fd = openSync(join(dir, 'in/sparse'), 'w');
  for (let i = 1; i < 40; i++) writeSync(fd, Buffer.alloc(4096, i), 0, 4096, i * 1024 * 1024);
  ftruncateSync(fd, 41 * 1024 * 1024);
  closeSync(fd);
  const expected = readFileSync(join(dir, 'in/sparse'));
  const formats = [
    '--format=gnu',
    ...['0.0', '0.1', '1.0'].map(version => `--format=posix --sparse-version=${version}`),
  ];
  for (const format of formats) {
    const args = ['-S', ...format.split(' '), '-cf', '-', 'sparse'];
    const archive = execFileSync('tar', args, { cwd: join(dir, 'in'), maxBuffer: 2 ** 30 });
    t.ok(archive.length < 1024 * 1024, 'it is sparse');
    const out = join(await unpacked(t, archive), 'sparse');
    t.ok(readFileSync(out).equals(expected), format);
    t.ok(statSync(out).blocks * 512 < 2 * 1024 * 1024, 'holes stay holes');
    const budget = createDiskBudget(10 * 1024 * 1024);
    await t.rejects(unpacked(t, archive, { budget }), { code: 'out-of-disk' }, 'what it would hold counts');
  }
});

t.test('bytes that follow the end without end are refused', async t => {
  const archive = gzipSync(Buffer.concat([await tarOf({ name: 'f', content: 'x' }), Buffer.alloc(80 * 1024 * 1024)]));
  await t.rejects(unpacked(t, archive), { code: 'artifact-invalid', message: /goes on after its end/ });
});
