import { PrefixTree } from '../telemetry/prefix-tree.ts';

/** Where one of the searched byte strings stands. */
export interface Hit {
  readonly start: number;
  readonly end: number;
}

/** Bytes that are looked at together. */
const block = 2;
const blocks = 1 << (8 * block);

/**
 * Search for several byte strings at once (Wu and Manber, 1994, with blocks of two bytes): a table says for each pair of bytes how
 * far the next look may go, so most of a chunk is never looked at; a prefix tree says what stands at a place that is left. Neither costs
 * more where there are many strings.
 * @param needles at least four bytes each; the longest of those that begin at one place is found
 */
export class ByteSearch {
  readonly #shortest: number;
  readonly #longest: number;
  readonly #shift: Uint8Array;
  readonly #tree = new PrefixTree();

  constructor(needles: readonly Buffer[]) {
    this.#shortest = needles.reduce((least, { length }) => Math.min(least, length), 255);
    this.#longest = needles.reduce((most, { length }) => Math.max(most, length), 0);
    this.#shift = new Uint8Array(blocks).fill(this.#shortest - block + 1);
    for (const needle of needles) {
      this.#tree.add(needle);
      for (let at = block; at <= this.#shortest; at++) {
        const pair = needle.readUInt16LE(at - block);
        this.#shift[pair] = Math.min(this.#shift[pair] ?? 0, this.#shortest - at);
      }
    }
  }

  /** The first hit from `from` on. */
  find(bytes: Buffer, from: number): Hit | undefined {
    const shift = this.#shift;
    const last = bytes.length;
    for (let end = from + this.#shortest; end <= last;) {
      const pair = (bytes[end - 2] as number) | ((bytes[end - 1] as number) << 8);
      const step = shift[pair] as number;
      if (step > 0) {
        end += step;
        continue;
      }
      const start = end - this.#shortest;
      const length = this.#tree.longestAt(bytes, start);
      if (length > 0) return { start, end: start + length };
      end += 1;
    }
    return undefined;
  }

  /** Where, from `from` on, the beginning of a string stands that the end of the bytes cuts off; their length where none does. */
  findCut(bytes: Buffer, from: number): number {
    const { length } = bytes;
    for (let at = Math.max(from, length - this.#longest + 1); at < length; at++)
      if (this.#tree.isCutAt(bytes, at)) return at;
    return length;
  }
}
