import { Readable } from 'node:stream';
import { orAborted } from './wait.ts';

/**
 * Bytes, piece by piece. A piece is lent: it is good until the next one is asked for, since its memory may be used again then. Any
 * Readable of Buffers is such a source too.
 */
export type Pieces = AsyncIterable<Buffer>;

/** A piece of a size that was asked for; only the last may be shorter. It is good until it is released. */
export interface Part {
  readonly bytes: Buffer;
  readonly last: boolean;
  /** For whoever is done with the bytes: a later part gets their memory. */
  readonly release: () => void;
}

/** Let go of a source that nobody reads any more. Others than a stream hold nothing before they are read. */
export const closeUnread = (source: Buffer | Pieces): void => {
  if (source instanceof Readable) source.destroy();
};

/**
 * Pieces until a signal aborts: its reason ends them then, even while the source is silent. The source is closed when this ends,
 * however it ends. Errors: those of the source; the signal's reason.
 */
export async function* piecesUntil(source: Pieces, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const asked = iterator.next();
      const next = await (signal ? orAborted(asked, signal) : asked);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    closeUnread(source);
    const closed = Promise.resolve(iterator.return?.()).catch(() => undefined);
    // A source that is silent is closed when it speaks again.
    if (!signal?.aborted) await closed;
  }
}

/** The same pieces, each told of as it passes. */
export async function* counted(source: Pieces, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const piece of source) {
    count(piece.length);
    yield piece;
  }
}

/** All pieces as one, in memory of its own. Errors: those of the source. */
export const whole = async (pieces: Pieces): Promise<Buffer> => {
  const copies: Buffer[] = [];
  for await (const piece of pieces) copies.push(Buffer.from(piece));
  const [only] = copies;
  return only && copies.length === 1 ? only : Buffer.concat(copies);
};

/** Pieces of any sizes as parts of one size. An empty source gives one empty part. Errors: those of the source. */
export async function* inParts(source: Pieces, partBytes: number): AsyncGenerator<Part, void, undefined> {
  // New memory for each part would cost more than the copy: it is mapped, touched, and collected.
  const free: Buffer[] = [];
  let filling: Buffer | undefined;
  let held = 0;
  const take = (last: boolean): Part => {
    const memory = filling ?? Buffer.alloc(0);
    const bytes = memory.subarray(0, held);
    [filling, held] = [undefined, 0];
    return { bytes, last, release: () => free.push(memory) };
  };
  for await (const piece of source) {
    for (let at = 0; at < piece.length;) {
      if (held === partBytes) yield take(false);
      filling ??= free.pop() ?? Buffer.allocUnsafeSlow(partBytes);
      const count = piece.copy(filling, held, at);
      at += count;
      held += count;
    }
  }
  yield take(true);
}
