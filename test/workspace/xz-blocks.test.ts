import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t, { type Test } from 'tap';
import { unpackArchive } from '../../lib/workspace/unpack.ts';
import { watchXzBlocks } from '../../lib/workspace/xz-blocks.ts';
import { byPython } from '../helpers/compressed.ts';
import { bodyOf, tarOf } from '../helpers/tars.ts';

const content = Buffer.concat([randomBytes(100_000), Buffer.alloc(3_000_000, 'x')]);

/**
 * The block at `at`, of a header without sizes, asks for a dictionary of `bits`; by default the first of a stream.
 * Source: The .xz File Format, 3.1, 5.3.1.
 */
const asking = (xz: Buffer, bits: number, at = 12): Buffer => {
  const changed = Buffer.from(xz);
  const end = at + ((changed[at] ?? 0) + 1) * 4 - 4;
  // Flags, id of LZMA2, size of its properties, and these.
  changed[at + 4] = bits;
  changed.writeUInt32LE(crc32(changed.subarray(at, end)), end);
  return changed;
};

const unpacked = async (t: Test, archive: Buffer, chunkBytes?: number): Promise<Buffer> => {
  const directory = mkdtempSync(join(tmpdir(), 'runner-xz-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  await unpackArchive(bodyOf(archive, chunkBytes), directory);
  return readFileSync(join(directory, 'f'));
};

t.test('a stream that asks for a larger dictionary than there is memory for is refused', async t => {
  const small = byPython('out.write(lzma.compress(data))', await tarOf({ name: 'f', content }));
  for (const [bits, words] of [
    [32, '256 MiB'],
    [31, '192 MiB'],
    [39, '3072 MiB'],
  ] as const) {
    await t.rejects(unpacked(t, asking(small, bits)), {
      code: 'artifact-invalid',
      message: `archive refused: its xz needs a dictionary of ${words}; expected 128 MiB at most`,
    });
  }
  t.ok((await unpacked(t, asking(small, 30))).equals(content), '128 MiB');
});

t.test('so is one that asks for it in a later stream', async t => {
  const archive = await tarOf({ name: 'f', content });
  const [first, second] = [archive.subarray(0, 100_000), archive.subarray(100_000)].map(part =>
    byPython('out.write(lzma.compress(data))', part),
  );
  const late = Buffer.concat([first ?? Buffer.alloc(0), Buffer.alloc(8), asking(second ?? Buffer.alloc(0), 40)]);
  await t.rejects(unpacked(t, late), { message: /needs a dictionary of/ });
});

t.test('a stream of several blocks is read whole, and none of them may ask for more', async t => {
  const file = (name: string) => readFileSync(join(import.meta.dirname, '../../fixtures/archives', name));
  const lines = Array.from({ length: 150 }, (_, i) => `line ${String(i)} of a file in blocks\n`).join('');
  for (const name of ['blocks.tar.xz', 'blocks-sized.tar.xz']) {
    for (const chunkBytes of [1, 100, 4096])
      t.equal((await unpacked(t, file(name), chunkBytes)).toString(), lines, name);
  }
  // Where the third of them begins.
  const third = asking(file('blocks.tar.xz'), 39, 412);
  await t.rejects(unpacked(t, third), { message: /needs a dictionary of 3072 MiB/ });
});

t.test('every kind of xz is followed to its end, in pieces of any size', async t => {
  const archive = await tarOf({ name: 'f', content });
  for (const how of [
    'preset=9',
    'preset=0, check=lzma.CHECK_NONE',
    'preset=1, check=lzma.CHECK_CRC32',
    'preset=1, check=lzma.CHECK_SHA256',
    'filters=[{"id": lzma.FILTER_DELTA, "dist": 4}, {"id": lzma.FILTER_LZMA2, "preset": 1}]',
    'filters=[{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 1}]',
  ]) {
    const xz = byPython(`out.write(lzma.compress(data, ${how}))`, archive);
    const files = [xz, Buffer.concat([xz, Buffer.alloc(4), xz])];
    for (const file of files) {
      for (const pieceBytes of [1, 4096, file.length]) {
        const watch = watchXzBlocks();
        for (let at = 0; at < file.length; at += pieceBytes) watch(file.subarray(at, at + pieceBytes));
        t.throws(() => watch(Buffer.from('no stream is')), { message: /header of a stream/ }, how);
      }
    }
  }
});
