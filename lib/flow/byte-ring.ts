/** Memory in which bytes go from one thread to another, in order: one writes, one reads. */
export interface ByteRing {
  readonly bytes: SharedArrayBuffer;
  /** Counters, see below. */
  readonly marks: SharedArrayBuffer;
}

/** How far the writer is, and the reader, in bytes modulo 2^32; what became of the ring. */
const written = 0;
const read = 1;
const state = 2;
/** What the reader waits at, and the writer: another number for whatever happened. */
const toRead = 3;
const toWrite = 4;

const open = 0;
const ended = 1;
const broken = 2;

/** What the reader is woken for at least, where more is to come: to wake it costs more than 64 KiB of work. Of a small ring a quarter. */
const wakeBytes = 256 * 1024;
/** What the reader takes at once. */
const takeBytes = 512 * 1024;

/** Thrown when: the other side gave up; it tells why in its own way. */
export class RingBroken extends Error {
  override readonly name = 'RingBroken';
}

/** @param capacity a power of two, bytes */
export const createByteRing = (capacity = 4 * 1024 * 1024): ByteRing => ({
  bytes: new SharedArrayBuffer(capacity),
  marks: new SharedArrayBuffer(5 * Int32Array.BYTES_PER_ELEMENT),
});

/** Give a ring up, from either side or from a third one: whoever waits at it is told. What ended well stays so. */
export const breakRing = ({ marks }: ByteRing): void => {
  const words = new Int32Array(marks);
  Atomics.compareExchange(words, state, open, broken);
  wake(words, toRead);
  wake(words, toWrite);
};

const wake = (words: Int32Array, index: number): void => {
  Atomics.add(words, index, 1);
  Atomics.notify(words, index);
};

const heldIn = (words: Int32Array): number => (Atomics.load(words, written) - Atomics.load(words, read)) >>> 0;

/** Resolves when a counter is another one than it was, in which every change ends. */
const changed = async (words: Int32Array, index: number, from: number): Promise<void> => {
  const { value } = Atomics.waitAsync(words, index, from);
  // Such a wait alone would not keep the thread alive.
  const alive = setInterval(() => undefined, 60_000);
  try {
    await value;
  } finally {
    clearInterval(alive);
  }
};

/** The side that fills a ring. It never blocks its thread. */
export class RingWriter {
  readonly #bytes: Buffer;
  readonly #words: Int32Array;

  constructor({ bytes, marks }: ByteRing) {
    this.#bytes = Buffer.from(bytes);
    this.#words = new Int32Array(marks);
  }

  /**
   * Copy bytes in. Undefined where there was room; else a promise that resolves when all are in, before which nothing more may be
   * written and the bytes must stay as they are.
   * Errors: RingBroken.
   */
  write(chunk: Buffer): Promise<void> | undefined {
    const at = this.#fill(chunk, 0);
    return at < chunk.length ? this.#fillLater(chunk, at) : undefined;
  }

  /** There is nothing more. */
  end(): void {
    Atomics.compareExchange(this.#words, state, open, ended);
    wake(this.#words, toRead);
  }

  #fill(chunk: Buffer, from: number): number {
    if (Atomics.load(this.#words, state) === broken) throw new RingBroken('nobody reads it any more');
    const { length: capacity } = this.#bytes;
    const count = Math.min(chunk.length - from, capacity - heldIn(this.#words));
    if (count === 0) return from;
    const at = (Atomics.load(this.#words, written) >>> 0) % capacity;
    const first = Math.min(count, capacity - at);
    chunk.copy(this.#bytes, at, from, from + first);
    chunk.copy(this.#bytes, 0, from + first, from + count);
    Atomics.add(this.#words, written, count);
    if (heldIn(this.#words) >= Math.min(wakeBytes, capacity / 4)) wake(this.#words, toRead);
    return from + count;
  }

  async #fillLater(chunk: Buffer, from: number): Promise<void> {
    for (let at = from; at < chunk.length;) {
      const seen = Atomics.load(this.#words, toWrite);
      const next = this.#fill(chunk, at);
      if (next === at) await changed(this.#words, toWrite, seen);
      at = next;
    }
  }
}

/** The side that empties a ring. */
export class RingReader {
  readonly #bytes: Buffer;
  readonly #words: Int32Array;

  constructor({ bytes, marks }: ByteRing) {
    this.#bytes = Buffer.from(bytes);
    this.#words = new Int32Array(marks);
  }

  /**
   * All that comes, piece by piece; waiting blocks the thread. A piece is overwritten when the next one is asked for.
   * Errors: RingBroken.
   */
  *pieces(): Generator<Buffer, void, undefined> {
    for (;;) {
      const seen = Atomics.load(this.#words, toRead);
      const piece = this.#piece();
      if (piece === 'end') return;
      if (piece === undefined) {
        Atomics.wait(this.#words, toRead, seen);
        continue;
      }
      yield piece;
      this.#free(piece.length);
    }
  }

  /** The first bytes, as many as asked for or all there are; they come again as pieces. Waiting blocks the thread. Errors: RingBroken. */
  peek(bytes: number): Buffer {
    for (;;) {
      const seen = Atomics.load(this.#words, toRead);
      const isEnded = Atomics.load(this.#words, state) === ended;
      const piece = this.#piece();
      if (Buffer.isBuffer(piece) && (piece.length >= bytes || isEnded)) return Buffer.from(piece.subarray(0, bytes));
      if (piece === 'end') return Buffer.alloc(0);
      Atomics.wait(this.#words, toRead, seen);
    }
  }

  /** The same for a thread that has more to do meanwhile; pieces are copies. */
  async *copies(): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const seen = Atomics.load(this.#words, toRead);
      const piece = this.#piece();
      if (piece === 'end') return;
      if (piece === undefined) {
        await changed(this.#words, toRead, seen);
        continue;
      }
      const copy = Buffer.from(piece);
      this.#free(piece.length);
      yield copy;
    }
  }

  #piece(): Buffer | 'end' | undefined {
    // In this order: what was written before the end is seen with it.
    const now = Atomics.load(this.#words, state);
    if (now === broken) throw new RingBroken('nothing more comes');
    const held = heldIn(this.#words);
    if (held === 0) return now === ended ? 'end' : undefined;
    const { length: capacity } = this.#bytes;
    const at = (Atomics.load(this.#words, read) >>> 0) % capacity;
    return this.#bytes.subarray(at, Math.min(at + Math.min(held, takeBytes), capacity));
  }

  #free(count: number): void {
    Atomics.add(this.#words, read, count);
    wake(this.#words, toWrite);
  }
}
