import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { constants, crc32, createZstdCompress, deflateRaw } from 'node:zlib';
import { asError, messageOf } from '../errors.ts';
import { inOrder } from '../flow/in-order.ts';
import { inParts, type Pieces } from '../flow/pieces.ts';
import { spawn } from '../resources/child-process.ts';

/** Compresses bytes. */
export type Encoder = (source: Pieces) => Pieces;

const deflateLater = promisify<Buffer, Parameters<typeof deflateRaw>[1], Buffer>(deflateRaw);

/** Large enough that beginning anew costs next to nothing, small enough that memory stays small. */
const gzipBlockBytes = 512 * 1024;
/** What a block may refer to before its beginning. Source: RFC 1951, 2. */
const windowBytes = 32 * 1024;
/** Threads of node's pool. */
const mostAtOnce = 4;
const coresAtOnce = (): number => Math.min(Math.max(availableParallelism(), 2), mostAtOnce);
/** Method deflate, made on Unix, without name and time. Source: RFC 1952, 2.3. */
const gzipHeader = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
/** A last block that is empty. */
const lastBlock = Buffer.from([3, 0]);

/** Samples of a block; `worthwhile`: what is left of them where it is worth to compress it. */
const samples = 16;
const sampleBytes = 4 * 1024;
const worthwhile = 0.99;

/**
 * Whether samples of a block become smaller, at a seventh of what it costs to compress it. Images, archives and what is encrypted do
 * not, and take deflate longest.
 */
const isCompressible = async (block: Buffer): Promise<boolean> => {
  const stepBytes = Math.floor(block.length / samples);
  if (stepBytes < 2 * sampleBytes) return true;
  const taken = Array.from({ length: samples }, (_, i) => {
    const at = i * stepBytes + Math.floor((stepBytes - sampleBytes) / 2);
    return block.subarray(at, at + sampleBytes);
  });
  const { length } = await deflateLater(Buffer.concat(taken), { level: 1, chunkSize: samples * sampleBytes });
  return length < worthwhile * samples * sampleBytes;
};

/** One block, ended at a byte. @param dictionary what stands before it */
const deflateBlock = async (block: Buffer, dictionary: Buffer | undefined): Promise<Buffer> => {
  const level = (await isCompressible(block)) ? 6 : 0;
  return deflateLater(block, {
    level,
    finishFlush: constants.Z_SYNC_FLUSH,
    // All of it in one turn of a thread, even where nothing gets smaller.
    chunkSize: block.length + 4096,
    ...(dictionary ? { dictionary } : {}),
  });
};

/**
 * gzip, level 6, on several cores: blocks are deflated side by side, each with what stands before it as its dictionary, and end at a
 * byte, so that one after another they are one stream as any reader knows it (as pigz does it). What does not get smaller is stored.
 */
export async function* gzipBlocks(source: Pieces): AsyncGenerator<Buffer> {
  let sum = 0;
  let bytes = 0;
  let window: Buffer | undefined;
  yield gzipHeader;
  // One more than there are cores: none is idle while the next block is read.
  const atOnce = Math.min(coresAtOnce() + 1, mostAtOnce);
  yield* inOrder(inParts(source, gzipBlockBytes), atOnce, async ({ bytes: block, release }) => {
    sum = crc32(block, sum);
    bytes += block.length;
    const dictionary = window;
    window = Buffer.from(block.subarray(-windowBytes));
    const deflated = await deflateBlock(block, dictionary);
    release();
    return deflated;
  });
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(sum);
  trailer.writeUInt32LE(bytes % 2 ** 32, 4);
  yield Buffer.concat([lastBlock, trailer]);
}

/** What one thread of zstd's own compresses at a time, with an eighth of a window before it. */
const zstdJobBytes = 1024 * 1024;

/** Write parts of one size to a stream: one is filled while the other one is written. Errors: of both sides. */
const feed = async (source: Pieces, stream: Writable, partBytes: number): Promise<void> => {
  const write = (bytes: Buffer) =>
    new Promise<void>((resolve, reject) => {
      // What nobody reads is never told as written.
      const onClose = () => reject(new Error('nobody reads it any more'));
      stream.once('close', onClose).write(bytes, error => {
        stream.off('close', onClose);
        if (error) reject(error);
        else resolve();
      });
    });
  let written = Promise.resolve();
  for await (const { bytes, release } of inParts(source, partBytes)) {
    await written;
    written = write(bytes).then(release);
    // It is looked at in its turn.
    written.catch(() => undefined);
  }
  await written;
};

/**
 * zstd, level 3, one frame, on several cores: threads of its own compress one job each. A write is as much as they take at once, and is
 * seen through (`flush`): with threads zstd takes a part of what it is given and comes back for the rest, and Node's stream would take
 * that for the end. Of two cores one is busy with reading and sending: a thread of Node's pool has the other one then, since threads of
 * zstd's own take half as much CPU again (measured).
 * @param cores of this machine
 * Source: zstd_compress.c, ZSTD_compressStream2, "some progress"; node, lib/zlib.js, processCallback.
 */
export async function* zstdFrame(source: Pieces, cores = availableParallelism()): AsyncGenerator<Buffer> {
  const { ZSTD_e_flush: flush, ZSTD_c_nbWorkers, ZSTD_c_jobSize } = constants;
  const threads = cores > 2 ? Math.min(cores, mostAtOnce) : 0;
  const params = threads > 0 ? { [ZSTD_c_nbWorkers]: threads, [ZSTD_c_jobSize]: zstdJobBytes } : {};
  const encoder = createZstdCompress({ chunkSize: 256 * 1024, flush, params });
  // Who reads the encoder hears of an error by it.
  feed(source, encoder, Math.max(threads, 2) * zstdJobBytes).then(
    () => encoder.end(),
    (error: unknown) => encoder.destroy(asError(error)),
  );
  yield* encoder as AsyncIterable<Buffer>;
}

/** A stream of xz for each block: the encoder takes 100 MB, so there is one at a time. */
const xzBlockBytes = 4 * 1024 * 1024;

/** xz, several streams one after another, which are one file. */
export async function* xzStreams(source: Pieces): AsyncGenerator<Buffer> {
  const { compress } = await import('@napi-rs/lzma/xz');
  for await (const { bytes, release } of inParts(source, xzBlockBytes)) {
    const compressed = await compress(bytes);
    release();
    yield compressed;
  }
}

/** What is written to a program at once. */
const pipedBytes = 256 * 1024;

/**
 * bzip2, by the program of this name: nobody keeps an encoder for node.
 * Errors: what the program says.
 */
export const bzip2By = (program: string): Encoder =>
  async function* (source) {
    const child = spawn(program, ['-c'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const exited = once(child, 'exit') as Promise<[code: number | null]>;
    // It is looked at when the output ends.
    exited.catch(() => undefined);
    // It has no streams where the machine has no descriptor left.
    if (child.pid === undefined) await exited;
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-1000)));
    let failure: unknown;
    child.stdin.on('error', () => undefined); // told to `feed` as well
    feed(source, child.stdin, pipedBytes).then(
      () => child.stdin.end(),
      (error: unknown) => {
        failure = error;
        child.kill('SIGKILL');
      },
    );
    try {
      yield* child.stdout as AsyncIterable<Buffer>;
      const [code] = await exited;
      if (failure && code === null) throw asError(failure);
      if (code !== 0) throw new Error(`bzip2 failed: ${said.trim() || messageOf(failure)} [code=${String(code)}]`);
    } finally {
      child.kill('SIGKILL');
    }
  };
