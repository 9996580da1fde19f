import { archiveRefused } from './archive-errors.ts';

/** What a block may look back to: the decoder holds as much. Twice what `xz -9` asks for, and what zstd is allowed. */
const mostDictionaryBytes = 128 * 1024 * 1024;
/** Id of the only filter that has a dictionary. Source: The .xz File Format, 5.3.1. */
const lzma2 = 0x21;
const magic = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
/** Bytes of a block's check by the id of its kind. Source: 2.1.1.2. */
const checkBytes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];

const damaged = (what: string) => archiveRefused(`it is damaged: xz ${what}`);
const paddingAfter = (bytes: number): number => (4 - (bytes % 4)) % 4;

/** The multibyte integer at `at`, and where the next thing begins. Source: 1.2. */
const integerAt = (header: Buffer, at: number): readonly [value: number, next: number] => {
  let value = 0;
  for (let i = 0; i < 9; i++) {
    const byte = header[at + i];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return [value, at + i + 1];
  }
  throw damaged('header of a block');
};

/** What a block asks for. @param header from its flags on. Source: 3.1. */
const dictionaryBytesOf = (header: Buffer): number => {
  const flags = header[0] ?? 0;
  let at = 1;
  for (const sizeIsThere of [flags & 0x40, flags & 0x80]) if (sizeIsThere) [, at] = integerAt(header, at);
  let bytes = 0;
  for (let left = (flags & 3) + 1; left > 0; left--) {
    const [id, afterId] = integerAt(header, at);
    const [size, from] = integerAt(header, afterId);
    const bits = (header[from] ?? 0) & 0x3f;
    if (id === lzma2) bytes = Math.max(bytes, (2 | (bits & 1)) * 2 ** (Math.floor(bits / 2) + 11));
    at = from + size;
  }
  return bytes;
};

/** What is looked at, and what is passed over. */
type Want = { readonly take: number } | { readonly skip: number };

/** The packets of a block. Out: their bytes. Source: 5.3.1; LZMA2 as xz-embedded tells it. */
function* walkPackets(): Generator<Want, number, Buffer> {
  for (let bytes = 1; ;) {
    const [control = 0] = yield { take: 1 };
    if (control === 0) return bytes;
    if (control > 2 && control < 0x80) throw damaged('packet');
    const isPlain = control < 0x80;
    const sizes = yield { take: isPlain ? 2 : 4 };
    const count = sizes.readUInt16BE(isPlain ? 0 : 2) + 1 + (control >= 0xc0 ? 1 : 0);
    yield { skip: count };
    bytes += 1 + sizes.length + count;
  }
}

/** The list of blocks, whose first byte is read. Source: 4. */
function* walkIndex(): Generator<Want, void, Buffer> {
  let bytes = 1;
  const integer = function* (): Generator<Want, number, Buffer> {
    for (let value = 0, i = 0; i < 9; i++) {
      const [byte = 0] = yield { take: 1 };
      bytes++;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    throw damaged('index');
  };
  for (let left = 2 * (yield* integer()); left > 0; left--) yield* integer();
  yield { skip: paddingAfter(bytes) + 4 };
}

/** Streams one after another, with padding between them. Source: 2. */
function* walkStreams(): Generator<Want, void, Buffer> {
  for (let isFirst = true; ; isFirst = false) {
    const start = yield { take: 4 };
    if (!isFirst && start.every(byte => byte === 0)) continue;
    const rest = yield { take: 8 };
    if (!Buffer.concat([start, rest.subarray(0, 2)]).equals(magic)) throw damaged('header of a stream');
    for (;;) {
      const [size = 0] = yield { take: 1 };
      if (size === 0) break;
      const dictionaryBytes = dictionaryBytesOf(yield { take: size * 4 + 3 });
      if (dictionaryBytes > mostDictionaryBytes) {
        const [asked, most] = [dictionaryBytes, mostDictionaryBytes].map(bytes => `${String(bytes / 2 ** 20)} MiB`);
        throw archiveRefused(`its xz needs a dictionary of ${asked ?? ''}; expected ${most ?? ''} at most`);
      }
      yield { skip: paddingAfter(yield* walkPackets()) + (checkBytes[(rest[3] ?? 0) & 15] ?? 0) };
    }
    yield* walkIndex();
    yield { skip: 12 };
  }
}

/**
 * Follows the blocks of an xz file, whose decoder takes as much memory as they ask for: to be called with each piece before the decoder
 * gets it.
 * Errors: `artifact-invalid` where a block asks for too much, or the file is damaged. Source: The .xz File Format, 1.2.1.
 */
export const watchXzBlocks = (): ((piece: Buffer) => void) => {
  const walk = walkStreams();
  let want = walk.next().value as Want;
  let taken: Buffer = Buffer.alloc(0);
  return piece => {
    for (let at = 0; ;) {
      const left = piece.length - at;
      if ('skip' in want) {
        const count = Math.min(want.skip, left);
        at += count;
        want = { skip: want.skip - count };
        if (want.skip > 0) return;
      } else {
        const count = Math.min(want.take - taken.length, left);
        taken = Buffer.concat([taken, piece.subarray(at, at + count)]);
        at += count;
        if (taken.length < want.take) return;
      }
      const read = taken;
      taken = Buffer.alloc(0);
      want = walk.next(read).value as Want;
    }
  };
};
