import { Memory, pageBytes, type WasmMemory } from './web-assembly.ts';

/** Memory in which bytes go from one thread to another, in order: one writes, one reads. */
export interface ByteRing {
  /** Its bytes, and behind them, at the next page, one page that the writer may use as it likes. */
  readonly memory: WasmMemory;
  readonly capacity: number;
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
export const createByteRing = (capacity = 4 * 1024 * 1024): ByteRing => {
  const pages = Math.ceil(capacity / pageBytes) + 1;
  return {
    memory: new Memory({ initial: pages, maximum: pages, shared: true }),
    capacity,
    marks: new SharedArrayBuffer(5 * Int32Array.BYTES_PER_ELEMENT),
  };
};

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

  constructor({ memory, capacity, marks }: ByteRing) {
    this.#bytes = Buffer.from(memory.buffer, 0, capacity);
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

  /**
   * Where the next bytes go, for whoever puts them there himself and says so with `put`; undefined where there is no room.
   * Errors: RingBroken.
   */
  room(): Buffer | undefined {
    const free = this.#free();
    if (free === 0) return undefined;
    const { length: capacity } = this.#bytes;
    const at = this.#at();
    return this.#bytes.subarray(at, at + Math.min(free, capacity - at, takeBytes));
  }

  /** So many bytes stand at the beginning of the room. */
  put(count: number): void {
    Atomics.add(this.#words, written, count);
    if (heldIn(this.#words) >= Math.min(wakeBytes, this.#bytes.length / 4)) wake(this.#words, toRead);
  }

  /** Resolves when there is much room again. Errors: RingBroken. */
  async roomAgain(): Promise<void> {
    for (;;) {
      const seen = Atomics.load(this.#words, toWrite);
      if (this.#free() >= this.#bytes.length / 4) return;
      await changed(this.#words, toWrite, seen);
    }
  }

  /** There is nothing more. */
  end(): void {
    Atomics.compareExchange(this.#words, state, open, ended);
    wake(this.#words, toRead);
  }

  #free(): number {
    if (Atomics.load(this.#words, state) === broken) throw new RingBroken('nobody reads it any more');
    return this.#bytes.length - heldIn(this.#words);
  }

  #at(): number {
    return (Atomics.load(this.#words, written) >>> 0) % this.#bytes.length;
  }

  #fill(chunk: Buffer, from: number): number {
    const count = Math.min(chunk.length - from, this.#free());
    if (count === 0) return from;
    const at = this.#at();
    const first = Math.min(count, this.#bytes.length - at);
    chunk.copy(this.#bytes, at, from, from + first);
    chunk.copy(this.#bytes, 0, from + first, from + count);
    this.put(count);
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

  constructor({ memory, capacity, marks }: ByteRing) {
    this.#bytes = Buffer.from(memory.buffer, 0, capacity);
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
