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
 * far the next look may go, so most of a chunk is never looked at, however many strings there are.
 * @param needles at least two bytes each; the longest of those that begin at one place is found
 */
export class ByteSearch {
  readonly #shortest: number;
  readonly #longest: number;
  readonly #shift: Uint8Array;
  /** By the last pair of what the shift looks at, longest first. */
  readonly #candidates = new Map<number, Buffer[]>();
  readonly #firstBytes = new Uint8Array(256);
  readonly #needles: readonly Buffer[];

  constructor(needles: readonly Buffer[]) {
    this.#needles = [...needles].sort((a, b) => b.length - a.length);
    const lengths = needles.map(needle => needle.length);
    this.#shortest = Math.min(...lengths, 255);
    this.#longest = Math.max(...lengths);
    this.#shift = new Uint8Array(blocks).fill(this.#shortest - block + 1);
    for (const needle of this.#needles) {
      this.#firstBytes[needle[0] ?? 0] = 1;
      for (let at = block; at <= this.#shortest; at++) {
        const pair = needle.readUInt16LE(at - block);
        this.#shift[pair] = Math.min(this.#shift[pair] ?? 0, this.#shortest - at);
        if (at < this.#shortest) continue;
        const others = this.#candidates.get(pair);
        if (others) others.push(needle);
        else this.#candidates.set(pair, [needle]);
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
      for (const needle of this.#candidates.get(pair) ?? []) {
        const needleEnd = start + needle.length;
        if (needleEnd <= last && bytes.compare(needle, 0, needle.length, start, needleEnd) === 0)
          return { start, end: needleEnd };
      }
      end += 1;
    }
    return undefined;
  }

  /** Where, from `from` on, the beginning of a string stands that the end of the bytes cuts off; their length where none does. */
  findCut(bytes: Buffer, from: number): number {
    const { length } = bytes;
    for (let at = Math.max(from, length - this.#longest + 1); at < length; at++) {
      if (this.#firstBytes[bytes[at] as number] === 0) continue;
      const rest = length - at;
      const isCut = (needle: Buffer) => needle.length > rest && bytes.compare(needle, 0, rest, at, length) === 0;
      if (this.#needles.some(isCut)) return at;
    }
    return length;
  }
}
