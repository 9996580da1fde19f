import { setImmediate } from 'node:timers/promises';
import { archiveRefused } from './archive-errors.ts';
import { BitReader, OutOfInput } from './bzip2-bits.ts';
import { readBlock, type SortedBlock } from './bzip2-block.ts';

const blockMagic = [0x314159, 0x265359] as const;
const endMagic = [0x177245, 0x385090] as const;
const pieceBytes = 256 * 1024;
/** A block is tried when there is so much, and again with twice as much: most are smaller. */
const firstTryBytes = 1024 * 1024;
/** No block is that long: 900,000 symbols of 20 bits, and its codes. */
const mostBlockBytes = 4 * 1024 * 1024;

const damaged = (what: string) => archiveRefused(`it is damaged: bzip2 ${what}`);

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

/** Undo the sorting: what a block holds, runs not yet written out. */
const unsorted = ({ start, links, count }: SortedBlock): Buffer => {
  /** Where the next one of each byte goes. */
  const places = new Uint32Array(256);
  const counts = new Uint32Array(256);
  for (let i = 0; i < count; i++) {
    const byte = links[i] ?? 0;
    counts[byte] = (counts[byte] ?? 0) + 1;
  }
  for (let byte = 0, sum = 0; byte < 256; byte++) {
    places[byte] = sum;
    sum += counts[byte] ?? 0;
  }
  for (let i = 0; i < count; i++) {
    const byte = (links[i] ?? 0) & 255;
    const place = places[byte] ?? 0;
    places[byte] = place + 1;
    links[place] = (links[place] ?? 0) | (i << 8);
  }
  const bytes = Buffer.allocUnsafe(count);
  for (let i = 0, at = (links[start] ?? 0) >>> 8; i < count; i++) {
    const link = links[at] ?? 0;
    bytes[i] = link;
    at = link >>> 8;
  }
  return bytes;
};

const checksum = (bytes: Buffer, before: number): number => {
  let sum = before;
  for (const byte of bytes) sum = (sum << 8) ^ (crcTable[(sum >>> 24) ^ byte] ?? 0);
  return sum;
};

/** Write runs out from `from` on until the piece could be full: four bytes that are the same are followed by how many more. */
const writeOut = (bytes: Buffer, from: number, piece: Buffer): { readonly next: number; readonly filled: number } => {
  let filled = 0;
  let next = from;
  while (next < bytes.length && filled <= pieceBytes - 4 - 255) {
    const byte = bytes[next] ?? 0;
    let same = 1;
    while (same < 4 && bytes[next + same] === byte) same++;
    const times = same === 4 ? 4 + (bytes[next + 4] ?? 0) : same;
    next += same === 4 ? 5 : same;
    if (times === 1) piece[filled++] = byte;
    else {
      piece.fill(byte, filled, filled + times);
      filled += times;
    }
  }
  return { next, filled };
};

/** What a block holds, in pieces. Errors: its checksum is wrong. */
function* contentOf(block: SortedBlock): Generator<Buffer> {
  const bytes = unsorted(block);
  let sum = -1;
  for (let from = 0; from < bytes.length;) {
    const piece = Buffer.allocUnsafe(pieceBytes);
    const { next, filled } = writeOut(bytes, from, piece);
    from = next;
    const content = piece.subarray(0, filled);
    sum = checksum(content, sum);
    yield content;
  }
  if (~sum >>> 0 !== block.crc) throw damaged('has a wrong checksum');
}

/** One step of a stream: its beginning, a block, or its end. */
type Step =
  | { readonly type: 'begin'; readonly blockBytes: number }
  | { readonly type: 'block'; readonly block: SortedBlock }
  | { readonly type: 'end'; readonly crc: number };

const isMagic = (bits: readonly [number, number], magic: readonly [number, number]): boolean =>
  bits[0] === magic[0] && bits[1] === magic[1];

/** Blocks need not begin at a byte: the bits of one that begins within it are read over. */
const readStep = (bits: BitReader, blockBytes: number): Step => {
  if (blockBytes === 0) {
    const [magic, level] = [bits.bits(24), bits.bits(8) - 0x30];
    if (magic !== 0x425a68 || level < 1 || level > 9) throw damaged('has no beginning');
    return { type: 'begin', blockBytes: level * 100_000 };
  }
  const magic = [bits.bits(24), bits.bits(24)] as const;
  if (isMagic(magic, blockMagic)) return { type: 'block', block: readBlock(bits, blockBytes) };
  if (!isMagic(magic, endMagic)) throw damaged('has neither a block nor an end');
  const crc = bits.word();
  bits.toByte();
  return { type: 'end', crc };
};

/**
 * Decode bzip2, several streams after another too, block by block: memory is that of one block. Why it is not a library's: those of
 * npm need twice as long, hang on what is cut off, or want all of it in memory (tried).
 * Errors: AttemptError `artifact-invalid` for what is damaged or cut off.
 */
export async function* decodeBzip2(source: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  let held = Buffer.alloc(0);
  let skippedBits = 0;
  let blockBytes = 0;
  let combined = 0;
  let wanted = firstTryBytes;
  let coming: Buffer[] = [];
  let comingBytes = 0;

  const steps = async function* (isAll: boolean): AsyncGenerator<Buffer> {
    held = Buffer.concat([held, ...coming]);
    coming = [];
    comingBytes = 0;
    while (held.length > 0) {
      if (!isAll && held.length < wanted) return;
      const bits = new BitReader(held);
      let step: Step;
      try {
        if (skippedBits > 0) bits.bits(skippedBits);
        step = readStep(bits, blockBytes);
      } catch (error) {
        if (!(error instanceof OutOfInput)) throw error;
        if (isAll) throw archiveRefused('it is cut off', undefined, error);
        if (held.length > mostBlockBytes) throw damaged('has a block that does not end');
        wanted = held.length * 2;
        return;
      }
      wanted = firstTryBytes;
      const bitsRead = bits.bitsRead;
      held = held.subarray(Math.floor(bitsRead / 8));
      skippedBits = bitsRead % 8;
      if (step.type === 'begin') {
        blockBytes = step.blockBytes;
        combined = 0;
      } else if (step.type === 'block') {
        combined = ((combined << 1) | (combined >>> 31)) ^ step.block.crc;
        yield* contentOf(step.block);
        // A block takes tens of milliseconds.
        await setImmediate();
      } else {
        if (combined >>> 0 !== step.crc) throw damaged('has a wrong checksum');
        blockBytes = 0;
      }
    }
  };

  for await (const chunk of source) {
    coming.push(chunk);
    comingBytes += chunk.length;
    if (held.length + comingBytes >= wanted) yield* steps(false);
  }
  yield* steps(true);
  if (blockBytes !== 0) throw archiveRefused('it is cut off');
}
