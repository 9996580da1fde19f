import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { pipeline, Readable, type Writable } from 'node:stream';
import { promisify } from 'node:util';
import { constants, crc32, createZstdCompress, deflateRaw } from 'node:zlib';
import { asError, messageOf } from '../errors.ts';
import { blocksOf, inOrder } from './blocks.ts';

/** Compresses a stream of bytes. */
export type Encoder = (source: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

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

/**
 * gzip, level 6, on several cores: blocks are deflated side by side, each with what stands before it as its dictionary, and end at a
 * byte, so that one after another they are one stream as any reader knows it (as pigz does it).
 */
export async function* gzipBlocks(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let sum = 0;
  let bytes = 0;
  let window: Buffer | undefined;
  yield gzipHeader;
  // One more than there are cores: none is idle while the next block is read.
  yield* inOrder(blocksOf(source, gzipBlockBytes), Math.min(coresAtOnce() + 1, mostAtOnce), block => {
    sum = crc32(block, sum);
    bytes += block.length;
    const dictionary = window;
    window = block.subarray(Math.max(0, block.length - windowBytes));
    return deflateLater(block, {
      level: 6,
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(dictionary ? { dictionary } : {}),
    });
  });
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(sum);
  trailer.writeUInt32LE(bytes % 2 ** 32, 4);
  yield Buffer.concat([lastBlock, trailer]);
}

/** What one thread of zstd's own compresses at a time, with an eighth of a window before it. */
const zstdJobBytes = 1024 * 1024;

/** Write blocks of one size to a stream: one is filled while the other one is written, and both are used again. Errors: of both sides. */
const feed = async (source: AsyncIterable<Buffer>, stream: Writable, blockBytes: number): Promise<void> => {
  const write = (block: Buffer) =>
    new Promise<void>((resolve, reject) => {
      // What nobody reads is never told as written.
      const onClose = () => reject(new Error('nobody reads it any more'));
      stream.once('close', onClose).write(block, error => {
        stream.off('close', onClose);
        if (error) reject(error);
        else resolve();
      });
    });
  let [filling, other] = [Buffer.allocUnsafeSlow(blockBytes), Buffer.allocUnsafeSlow(blockBytes)];
  let held = 0;
  let written = Promise.resolve();
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length;) {
      const count = chunk.copy(filling, held, at);
      at += count;
      held += count;
      if (held < blockBytes) continue;
      await written;
      written = write(filling);
      // It is looked at in its turn.
      written.catch(() => undefined);
      [filling, other, held] = [other, filling, 0];
    }
  }
  await written;
  if (held > 0) await write(filling.subarray(0, held));
};

/**
 * zstd, level 3, one frame, on several cores: threads of its own compress one job each. A write is as much as they take at once, and is
 * seen through (`flush`): with threads zstd takes a part of what it is given and comes back for the rest, and Node's stream would take
 * that for the end. Source: zstd_compress.c, ZSTD_compressStream2, "some progress"; node, lib/zlib.js, processCallback.
 */
export async function* zstdFrame(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { ZSTD_e_flush: flush, ZSTD_c_nbWorkers, ZSTD_c_jobSize } = constants;
  const threads = coresAtOnce();
  const params = { [ZSTD_c_nbWorkers]: threads, [ZSTD_c_jobSize]: zstdJobBytes };
  const encoder = createZstdCompress({ chunkSize: 256 * 1024, flush, params });
  // Who reads the encoder hears of an error by it.
  feed(source, encoder, threads * zstdJobBytes).then(
    () => encoder.end(),
    (error: unknown) => encoder.destroy(asError(error)),
  );
  yield* encoder as AsyncIterable<Buffer>;
}

/** A stream of xz for each block: the encoder takes 100 MB, so there is one at a time. */
const xzBlockBytes = 4 * 1024 * 1024;

/** xz, several streams one after another, which are one file. */
export async function* xzStreams(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { compress } = await import('@napi-rs/lzma/xz');
  for await (const block of blocksOf(source, xzBlockBytes)) yield await compress(block);
}

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
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-1000)));
    let failure: unknown;
    pipeline(Readable.from(source), child.stdin, error => {
      failure = error;
      if (error) child.kill('SIGKILL');
    });
    try {
      yield* child.stdout as AsyncIterable<Buffer>;
      const [code] = await exited;
      if (failure && code === null) throw asError(failure);
      if (code !== 0) throw new Error(`bzip2 failed: ${said.trim() || messageOf(failure)} [code=${String(code)}]`);
    } finally {
      child.kill('SIGKILL');
    }
  };
