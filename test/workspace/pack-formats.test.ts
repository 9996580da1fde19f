import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import t from 'tap';
import { inOrder } from '../../lib/flow/in-order.ts';
import { gzipBlocks, zstdFrame } from '../../lib/workspace/encoders.ts';
import { packDirectory } from '../../lib/workspace/pack.ts';
import { unpackArchive } from '../../lib/workspace/unpack.ts';
import { FrameSplitter } from '../../lib/workspace/zstd-frames.ts';
import { byPython } from '../helpers/compressed.ts';
import { eventually } from '../helpers/eventually.ts';
import { whole } from '../helpers/whole.ts';

const large = Buffer.concat([randomBytes(700_000), Buffer.alloc(3_000_000, 'of all kinds '), randomBytes(1_500_000)]);
const packed = async (directory: string, key: string): Promise<Buffer> => {
  const made = await packDirectory(directory, key);
  if (!made) throw new Error('there was nothing to pack');
  return whole(made);
};
/** By other readers: Python's, and where it knows none, the program that the format is named after. */
const readers: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  'tar.gz': bytes => byPython(`import gzip\nout.write(gzip.decompress(data))`, bytes),
  tgz: bytes => gunzipSync(bytes),
  'tar.xz': bytes => byPython('out.write(lzma.decompress(data))', bytes),
  'tar.zst': bytes => zstdDecompressSync(bytes),
  'tar.bz2': bytes => byPython('out.write(bz2.decompress(data))', bytes),
};

for (const [extension, read] of Object.entries(readers)) {
  t.test(
    `a directory under a key that ends with .${extension} is what others read as such, small and large`,
    async t => {
      const dir = t.testdir({ small: { 'main.py': 'print(1)' }, large: {}, out: {} });
      writeFileSync(join(dir, 'large/data'), large);
      for (const size of ['small', 'large']) {
        const archive = await packed(join(dir, size), `experiments/e1/modeldir.${extension}`);
        const plain = read(archive);
        t.equal(plain.toString('latin1', 257, 262), 'ustar');
        t.ok(archive.length < plain.length);
        mkdirSync(join(dir, 'out', size));
        await unpackArchive(Readable.from([archive], { objectMode: false }), join(dir, 'out', size));
      }
      t.ok(readFileSync(join(dir, 'out/large/data')).equals(large));
      t.equal(readFileSync(join(dir, 'out/small/main.py'), 'utf8'), 'print(1)');
    },
  );
}

t.test("Python's tarfile reads a .tar.gz of ours as a stream, as the client does", async t => {
  const dir = t.testdir({ large: {} });
  writeFileSync(join(dir, 'large/data'), large);
  const archive = await packed(join(dir, 'large'), 'x.tar.gz');
  const read = byPython(
    `t = tarfile.open(fileobj=io.BytesIO(data), mode='r|gz')\nout.write(t.extractfile(t.next()).read())`,
    archive,
  );
  t.ok(read.equals(large));
  t.doesNotThrow(() => execFileSync('gzip', ['-t'], { input: archive }));
});

t.test('what gzip makes is about as small as in one piece, nothing included', async t => {
  const { gzipSync } = await import('node:zlib');
  const ours = await whole(gzipBlocks(Readable.from([large])));
  t.ok(ours.length < 1.01 * gzipSync(large).length, String(ours.length));
  t.same(gunzipSync(await whole(gzipBlocks(Readable.from([])))), Buffer.alloc(0));
});

t.test('what gzip can make no smaller is stored, and only that', async t => {
  const { gzipSync } = await import('node:zlib');
  const made = async (bytes: Buffer) => {
    const ours = await whole(gzipBlocks(Readable.from([bytes])));
    t.ok(gunzipSync(ours).equals(bytes));
    return ours.length / gzipSync(bytes).length;
  };
  const text = (bytes: number) => Buffer.alloc(bytes, 'of all kinds, ');
  const inTurns = Array.from({ length: 40 }, () => [randomBytes(90_000), text(30_000)]).flat();
  const weights = Buffer.from(Float32Array.from({ length: 1_000_000 }, () => Math.random() - 0.5).buffer);
  for (const bytes of [randomBytes(3_000_000), Buffer.concat(inTurns), weights]) t.ok((await made(bytes)) < 1.01);
  // Its deflate block, whose header says `stored`, ends where the next one begins.
  const stored = await whole(gzipBlocks(Readable.from([randomBytes(3_000_000)])));
  t.equal(stored[10], 0, 'RFC 1951, 3.2.4');
});

for (const cores of [1, 2, 4])
  t.test(
    `what zstd makes on ${String(cores)} cores is one frame, whatever its size, about as small as in one piece`,
    async t => {
      const { zstdCompressSync } = await import('node:zlib');
      // Of a job's size, one more, none; and more than all threads take at once, several times.
      const much = Buffer.concat(Array.from({ length: 8 }, () => [large, randomBytes(1_000_001)]).flat());
      for (const bytes of [Buffer.alloc(0), much.subarray(0, 2 ** 21), much.subarray(0, 2 ** 21 + 1), much]) {
        const ours = await whole(zstdFrame(Readable.from(bytes.length > 0 ? [bytes] : []), cores));
        t.ok(zstdDecompressSync(ours).equals(bytes));
        t.ok(ours.length <= 1.01 * zstdCompressSync(bytes).length + 64, String(ours.length));
        const splitter = new FrameSplitter();
        const ends = [...splitter.split(ours)].filter(({ last }) => last);
        t.equal(ends.length, 1, 'one frame: some readers stop after the first');
      }
    },
  );

t.test('what zstd is fed from is closed when its reader goes away', async () => {
  let isClosed = false;
  const endless = async function* () {
    try {
      for (;;) yield randomBytes(1_000_000);
    } finally {
      await Promise.resolve();
      isClosed = true;
    }
  };
  for await (const chunk of zstdFrame(endless())) if (chunk.length > 0) break;
  await eventually(() => assert.ok(isClosed));
});

t.test('a source that fails is the failure of what zstd makes', async t => {
  const failing = async function* () {
    yield large;
    await Promise.resolve();
    throw new Error('no more');
  };
  await t.rejects(whole(zstdFrame(failing())), { message: 'no more' });
});

const isLinkTo = (link: string, target: string): boolean => {
  try {
    return readlinkSync(link) === target;
  } catch {
    return false;
  }
};

t.test('a reader that goes away ends what encodes', async t => {
  const dir = t.testdir({ large: {} });
  writeFileSync(join(dir, 'large/data'), large);
  const isOpen = () =>
    readdirSync('/proc/self/fd').some(fd => isLinkTo(`/proc/self/fd/${fd}`, join(dir, 'large/data')));
  for (const extension of ['tar', 'tar.gz', 'tar.zst', 'tar.xz', 'tar.bz2']) {
    const made = await packDirectory(join(dir, 'large'), `x.${extension}`);
    if (!made || Buffer.isBuffer(made)) throw new Error('it is small');
    for await (const piece of made) if (piece.length > 0) break;
    await eventually(() => assert.ok(!isOpen(), extension));
  }
});

t.test('values come in their order, so many at once as are asked for; the first failure is told', async t => {
  let running = 0;
  let most = 0;
  const work = async (value: number) => {
    most = Math.max(most, ++running);
    await new Promise(resolve => setTimeout(resolve, value % 3));
    running--;
    if (value === 15) throw new Error('fifteen');
    return value;
  };
  const numbers = (count: number) => Readable.from(Array.from({ length: count }, (_, index) => index));
  const came: number[] = [];
  for await (const value of inOrder<number, number>(numbers(10), 3, work)) came.push(value);
  t.same(came, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  t.equal(most, 3);
  await t.rejects(async () => {
    for await (const _ of inOrder<number, number>(numbers(30), 3, work));
  }, /fifteen/);
  t.equal(running, 0);
});
