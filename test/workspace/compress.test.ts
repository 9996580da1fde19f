import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { gzipInPieces } from '../../lib/workspace/compress.ts';

async function* chunksOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const collect = async (pieces: AsyncIterable<Buffer>): Promise<Buffer> => {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
};

t.test('pieces are compressed beside each other and come in their order, for every reader', async t => {
  const bytes = Buffer.concat(
    Array.from({ length: 40 }, (_, i) => Buffer.concat([randomBytes(1000), Buffer.alloc(200_000, i)])),
  );
  for (const size of [1000, 262_144, 5_000_000]) {
    const packed = await collect(gzipInPieces(chunksOf(bytes, size)));
    t.ok(packed.length < bytes.length / 10);
    t.ok(gunzipSync(packed).equals(bytes));
    if (size === 262_144) {
      const limits = { input: packed, maxBuffer: 1e8 };
      t.ok(execFileSync('gzip', ['-dc'], limits).equals(bytes), 'gzip');
      const program = 'import gzip,sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))';
      t.ok(execFileSync('python3', ['-c', program], limits).equals(bytes), 'Python');
    }
  }
});

t.test('a failure of what is read is told', async t => {
  const failing = async function* () {
    yield Buffer.alloc(3_000_000);
    throw new Error('the disk is broken');
  };
  await t.rejects(collect(gzipInPieces(failing())), { message: 'the disk is broken' });
});
