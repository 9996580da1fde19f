import { archiveRefused } from './archive-errors.ts';
import type { BitReader } from './bzip2-bits.ts';

const maxCodeBits = 20;
/** Codes up to this length are found by one look into a table. */
const fastBits = 10;
const symbolsOfGroup = 50;

const damaged = (what: string) => archiveRefused(`it is damaged: bzip2 ${what}`);

/** A Huffman code: symbols by length, and a table for the short ones. */
interface Code {
  readonly fast: Uint16Array;
  readonly limits: Int32Array;
  readonly bases: Int32Array;
  readonly symbols: Uint16Array;
}

const codeOf = (lengths: Uint8Array): Code => {
  const limits = new Int32Array(maxCodeBits + 2).fill(-1);
  const bases = new Int32Array(maxCodeBits + 2);
  const symbols = new Uint16Array(lengths.length);
  const fast = new Uint16Array(1 << fastBits);
  let code = 0;
  let used = 0;
  for (let bits = 1; bits <= maxCodeBits; bits++) {
    bases[bits] = used - code;
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== bits) continue;
      symbols[used++] = symbol;
      if (bits <= fastBits) {
        const from = code << (fastBits - bits);
        fast.fill((bits << 9) | symbol, from, from + (1 << (fastBits - bits)));
      }
      code++;
    }
    limits[bits] = code - 1;
    if (code > 1 << bits) throw damaged('has an impossible code');
    code <<= 1;
  }
  return { fast, limits, bases, symbols };
};

const symbolOf = (bits: BitReader, { fast, limits, bases, symbols }: Code): number => {
  const peeked = bits.peek(maxCodeBits);
  const found = fast[peeked >>> (maxCodeBits - fastBits)] ?? 0;
  if (found !== 0) {
    bits.skip(found >>> 9);
    return found & 511;
  }
  for (let length = fastBits + 1; length <= maxCodeBits; length++) {
    const code = peeked >>> (maxCodeBits - length);
    if (code > (limits[length] ?? -1)) continue;
    bits.skip(length);
    return symbols[code + (bases[length] ?? 0)] ?? 0;
  }
  throw damaged('has an unknown code');
};

/** The bytes that occur, in order. */
const readAlphabet = (bits: BitReader): Uint8Array => {
  const rows = bits.bits(16);
  const used: number[] = [];
  for (let row = 0; row < 16; row++) {
    if (!(rows & (0x8000 >>> row))) continue;
    const columns = bits.bits(16);
    for (let column = 0; column < 16; column++) if (columns & (0x8000 >>> column)) used.push(row * 16 + column);
  }
  if (used.length === 0) throw damaged('uses no bytes');
  return Uint8Array.from(used);
};

/** Which code each group of symbols is written in. */
const readSelectors = (bits: BitReader, codes: number): Uint8Array => {
  const count = bits.bits(15);
  if (count === 0) throw damaged('has no selectors');
  const recent = Array.from({ length: codes }, (_, index) => index);
  return Uint8Array.from({ length: count }, () => {
    let back = 0;
    while (bits.bits(1)) if (++back >= codes) throw damaged('has a selector that is none');
    const [selected = 0] = recent.splice(back, 1);
    recent.unshift(selected);
    return selected;
  });
};

const readCode = (bits: BitReader, symbols: number): Code => {
  let length = bits.bits(5);
  return codeOf(
    Uint8Array.from({ length: symbols }, () => {
      while (bits.bits(1)) length += bits.bits(1) ? -1 : 1;
      if (length < 1 || length > maxCodeBits) throw damaged('has a code of impossible length');
      return length;
    }),
  );
};

/** A block as it was before the last two steps of compression: sorted bytes and where to begin. */
export interface SortedBlock {
  readonly crc: number;
  readonly start: number;
  /** Lowest 8 bits: the sorted bytes. Room for the links above. */
  readonly links: Uint32Array;
  readonly count: number;
}

/**
 * Read one block after its magic number.
 * Errors: OutOfInput where it does not end within the bits; `artifact-invalid`.
 */
export const readBlock = (bits: BitReader, mostBytes: number): SortedBlock => {
  const crc = bits.word();
  if (bits.bits(1)) throw damaged('is of a version before 0.9.5');
  const start = bits.bits(24);
  const recent = readAlphabet(bits);
  const codeCount = bits.bits(3);
  if (codeCount < 2 || codeCount > 6) throw damaged('has an impossible number of codes');
  const selectors = readSelectors(bits, codeCount);
  const end = recent.length + 1;
  const codes = Array.from({ length: codeCount }, () => readCode(bits, end + 1));

  const links = new Uint32Array(mostBytes);
  let count = 0;
  let run = 0;
  let runStep = 1;
  let group = -1;
  let left = 0;
  let code: Code | undefined;
  for (;;) {
    if (left-- === 0) {
      left = symbolsOfGroup - 1;
      code = codes[selectors[++group] ?? -1];
      if (!code) throw damaged('has more symbols than selectors');
    }
    const symbol = symbolOf(bits, code as Code);
    if (symbol <= 1) {
      run += runStep << symbol;
      runStep <<= 1;
      if (run > mostBytes) throw damaged('is longer than it may be');
      continue;
    }
    if (run > 0) {
      if (count + run > mostBytes) throw damaged('is longer than it may be');
      links.fill(recent[0] ?? 0, count, count + run);
      count += run;
      run = 0;
      runStep = 1;
    }
    if (symbol === end) break;
    if (count >= mostBytes) throw damaged('is longer than it may be');
    const byte = recent[symbol - 1] ?? 0;
    recent.copyWithin(1, 0, symbol - 1);
    recent[0] = byte;
    links[count++] = byte;
  }
  if (start >= count) throw damaged('begins nowhere');
  return { crc, start, links, count };
};
