import { archiveRefused } from './archive-errors.ts';
import { asBytes, type BytePath } from './byte-path.ts';
import { blockBytes } from './tar-header.ts';

/** One header block as it stands, before long names and pax records are applied to it. */
export interface TarFields {
  readonly name: BytePath;
  readonly linkname: BytePath;
  readonly typeflag: string;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly mtimeMs: number;
}

const text = (block: Buffer, start: number, length: number): BytePath => {
  const end = block.indexOf(0, start);
  return block.toString(asBytes, start, end < 0 || end > start + length ? start + length : end);
};

/** A number of a header: octal digits, or with the highest bit set a big-endian number, as GNU tar writes what octal can't hold. */
export const numberAt = (block: Buffer, start: number, length: number): number => {
  if (((block[start] ?? 0) & 0x80) !== 0) {
    let value = (block[start] ?? 0) & 0x7f;
    for (let i = start + 1; i < start + length; i++) value = value * 256 + (block[i] ?? 0);
    return value;
  }
  const digits = text(block, start, length).trim();
  if (digits === '') return 0;
  return /^[0-7]+$/.test(digits) ? parseInt(digits, 8) : NaN;
};

/** The sum of all bytes, its own field counted as blanks. Some old programs summed signed bytes. */
const hasChecksum = (block: Buffer): boolean => {
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < blockBytes; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const said = numberAt(block, 148, 8);
  return said === unsigned || said === signed;
};

/**
 * Read one header block; undefined where it is none (its checksum is wrong).
 * Errors: `artifact-invalid` for a number that makes no sense.
 */
export const decodeFields = (block: Buffer): TarFields | undefined => {
  if (!hasChecksum(block)) return undefined;
  const name = text(block, 0, 100);
  const sizeBytes = numberAt(block, 124, 12);
  if (!Number.isSafeInteger(sizeBytes)) throw archiveRefused('the size of an entry is no number', name);
  const mode = numberAt(block, 100, 8);
  const mtimeMs = numberAt(block, 136, 12) * 1000;
  const isPosix = block.toString(asBytes, 257, 263) === 'ustar\0';
  const prefix = isPosix ? text(block, 345, 155) : '';
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkname: text(block, 157, 100),
    typeflag: block[156] ? String.fromCharCode(block[156]) : '\0',
    sizeBytes,
    mode: Number.isSafeInteger(mode) ? mode : 0o644,
    mtimeMs,
  };
};

/** Where GNU tar keeps the pieces of a sparse file, as `offset,length,…`. */
export const sparseMap = 'GNU.sparse.map';
/** Keys that GNU tar 1.14 and 1.15 repeat, once for each piece of a sparse file. */
const repeated = /^GNU\.sparse\.(?:offset|numbytes)$/;

/** `length key=value\n` records of a pax header. Errors: `artifact-invalid`. */
export const decodePax = (records: string): Map<string, string> => {
  const found = new Map<string, string>();
  for (let at = 0; at < records.length && records[at] !== '\0';) {
    const blank = records.indexOf(' ', at);
    const length = Number(records.slice(at, blank));
    const record = records.slice(blank + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (blank < 0 || !Number.isSafeInteger(length) || length < 5 || at + length > records.length || equals < 1) {
      throw archiveRefused('a pax header is damaged');
    }
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    const pieces = repeated.test(key);
    const before = pieces ? found.get(sparseMap) : undefined;
    found.set(pieces ? sparseMap : key, before === undefined ? value : `${before},${value}`);
    at += length;
  }
  return found;
};
