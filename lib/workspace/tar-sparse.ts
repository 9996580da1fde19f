import { archiveRefused } from './archive-errors.ts';
import { asBytes, type BytePath } from './byte-path.ts';
import type { EntryFile } from './entry-writer.ts';
import { numberAt, sparseMap } from './tar-fields.ts';
import { blockBytes } from './tar-header.ts';

/** Pieces of a sparse file that hold data; what is between them is zeros. */
export type SparsePieces = readonly (readonly [offset: number, bytes: number])[];

/** More pieces than that are no file of anybody. */
const mostPieces = 100_000;
/** So many numbers of 12 digits, a line each. */
const mostMapBytes = 4 * 1024 * 1024;

/**
 * Whether pieces make sense: in order, inside the file, with as much data as the archive holds of it.
 * Errors: `artifact-invalid`.
 */
export const checkPieces = (pieces: SparsePieces, realBytes: number, storedBytes: number, path: BytePath): void => {
  let end = 0;
  let data = 0;
  for (const [offset, bytes] of pieces) {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(bytes) || bytes < 0 || offset < end) {
      throw archiveRefused('its map of a sparse file makes no sense', path);
    }
    end = offset + bytes;
    data += bytes;
  }
  if (pieces.length > mostPieces || !Number.isSafeInteger(realBytes) || end > realBytes || data !== storedBytes) {
    throw archiveRefused('its map of a sparse file does not fit its size', path);
  }
};

/** Pairs of one header block of type S: numbers of twelve bytes each; the list ends with an empty one. */
export const piecesIn = (block: Buffer, at: number, count: number): SparsePieces => {
  const pieces: (readonly [number, number])[] = [];
  for (let i = 0; i < count; i++) {
    const from = at + i * 24;
    if (block[from] === 0) break;
    pieces.push([numberAt(block, from, 12), numberAt(block, from + 12, 12)]);
  }
  return pieces;
};

const paired = (numbers: readonly number[]): SparsePieces =>
  Array.from({ length: Math.floor(numbers.length / 2) }, (_, i) => [numbers[2 * i] ?? NaN, numbers[2 * i + 1] ?? NaN]);

/** What pax headers say of a sparse entry: its map, or that its content begins with one. */
export interface PaxSparse {
  readonly realBytes: number;
  readonly name: BytePath | undefined;
  /** Undefined: it stands before the content (version 1.0). */
  readonly pieces: SparsePieces | undefined;
}

/** Undefined where the entry is not sparse. Source: GNU tar manual, "PAX Format, Versions 0.0, 0.1 and 1.0". */
export const paxSparse = (pax: ReadonlyMap<string, string>): PaxSparse | undefined => {
  const realBytes = pax.get('GNU.sparse.realsize') ?? pax.get('GNU.sparse.size');
  if (realBytes === undefined) return undefined;
  const map = pax.get(sparseMap);
  return {
    realBytes: Number(realBytes),
    name: pax.get('GNU.sparse.name'),
    pieces: pax.get('GNU.sparse.major') === '1' ? undefined : paired((map ?? '').split(',').map(Number)),
  };
};

/** Writes the content of a sparse entry to its places. */
export const spread = (file: EntryFile, pieces: SparsePieces, realBytes: number): EntryFile => {
  let at = 0;
  let index = 0;
  const reach = (place: number) => {
    if (place > at) file.skip(place - at);
    at = Math.max(at, place);
  };
  return {
    write: chunk => {
      for (let from = 0; from < chunk.length;) {
        const [offset = Infinity, bytes = 0] = pieces[index] ?? [];
        reach(offset);
        const part = chunk.subarray(from, from + offset + bytes - at);
        if (part.length > 0) file.write(part);
        from += part.length;
        at += part.length;
        if (at >= offset + bytes) index++;
      }
    },
    skip: bytes => file.skip(bytes),
    close: () => {
      reach(realBytes);
      file.close();
    },
  };
};

/**
 * Takes the map off the beginning of an entry of version 1.0: decimal numbers, a line each, how many pairs there are first, filled up
 * to a block.
 * @param storedBytes map and content
 */
export const spreadByMap = (file: EntryFile, realBytes: number, storedBytes: number, path: BytePath): EntryFile => {
  let head = Buffer.alloc(0);
  let inner: EntryFile | undefined;
  const take = (chunk: Buffer) => {
    head = Buffer.concat([head, chunk]);
    const whole = head.subarray(0, head.length - (head.length % blockBytes));
    const lines = whole.toString(asBytes).split('\n');
    const count = lines.length > 1 ? Number(lines[0]) : 0;
    if (!Number.isSafeInteger(count) || count < 0 || count > mostPieces) {
      throw archiveRefused('its map of a sparse file makes no sense', path);
    }
    if (lines.length <= 1 + 2 * count) {
      if (head.length > mostMapBytes) throw archiveRefused('its map of a sparse file does not end', path);
      return;
    }
    const numbers = lines.slice(1, 1 + 2 * count);
    const mapBytes = lines.slice(0, 1 + 2 * count).reduce((sum, line) => sum + line.length + 1, 0);
    const dataAt = Math.ceil(mapBytes / blockBytes) * blockBytes;
    const pieces = paired(numbers.map(line => (/^\d+$/.test(line) ? Number(line) : NaN)));
    checkPieces(pieces, realBytes, storedBytes - dataAt, path);
    inner = spread(file, pieces, realBytes);
    inner.write(head.subarray(dataAt));
  };
  return {
    write: chunk => (inner ? inner.write(chunk) : take(chunk)),
    skip: bytes => file.skip(bytes),
    close: () => {
      if (!inner) throw archiveRefused('its map of a sparse file does not end', path);
      inner.close();
    },
  };
};
