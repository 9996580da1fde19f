import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const gzipLater = promisify<Buffer, Buffer>(gzip);

/** Of each piece, so that little is lost where one begins. */
const pieceBytes = 1024 * 1024;
/** Experiments want the other cores. */
const mostThreads = 4;

async function* pieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let batch: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    batch.push(chunk);
    bytes += chunk.length;
    if (bytes < pieceBytes) continue;
    yield Buffer.concat(batch, bytes);
    [batch, bytes] = [[], 0];
  }
  if (bytes > 0) yield Buffer.concat(batch, bytes);
}

/**
 * gzip on several cores: each piece is a member of its own, compressed beside the others, and given in order. Readers take members one
 * after another for one file. Source: RFC 1952, 2.2.
 */
export async function* gzipInPieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const threads = Math.min(availableParallelism(), mostThreads);
  const underWay: Promise<Buffer>[] = [];
  for await (const piece of pieces(chunks)) {
    const work = gzipLater(piece);
    // Told when its turn comes.
    work.catch(() => undefined);
    underWay.push(work);
    const first = underWay.length > threads ? underWay.shift() : undefined;
    if (first) yield await first;
  }
  for (const work of underWay) yield await work;
}
