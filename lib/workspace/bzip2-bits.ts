/** Thrown when: a block asks for more bits than there are so far. */
export class OutOfInput extends Error {
  override readonly name = 'OutOfInput';
}

/** Bits of a buffer, the highest of a byte first. */
export class BitReader {
  readonly #bytes: Buffer;
  #at = 0;
  #held = 0;
  #count = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get bitsRead(): number {
    return this.#at * 8 - this.#count;
  }

  /** @param count 1 to 24 */
  bits(count: number): number {
    while (this.#count < count) {
      if (this.#at >= this.#bytes.length) throw new OutOfInput();
      this.#held = (this.#held << 8) | (this.#bytes[this.#at++] ?? 0);
      this.#count += 8;
    }
    this.#count -= count;
    const value = (this.#held >>> this.#count) & ((1 << count) - 1);
    this.#held &= (1 << this.#count) - 1;
    return value;
  }

  /** The next bits, zeros beyond the end, without taking them. @param count 1 to 24 */
  peek(count: number): number {
    while (this.#count < count && this.#at < this.#bytes.length) {
      this.#held = (this.#held << 8) | (this.#bytes[this.#at++] ?? 0);
      this.#count += 8;
    }
    if (this.#count >= count) return this.#held >>> (this.#count - count);
    return this.#held << (count - this.#count);
  }

  /** Take bits that were peeked at. */
  skip(count: number): void {
    if (this.#count < count) throw new OutOfInput();
    this.#count -= count;
    this.#held &= (1 << this.#count) - 1;
  }

  word(): number {
    return ((this.bits(16) << 16) | this.bits(16)) >>> 0;
  }

  toByte(): void {
    this.skip(this.#count & 7);
  }
}
