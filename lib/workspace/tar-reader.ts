import { archiveRefused } from './archive-errors.ts';
import { asBytes } from './byte-path.ts';
import type { Entry, EntryFile } from './entry-writer.ts';
import { decodeFields, decodePax, numberAt, type TarFields } from './tar-fields.ts';
import { blockBytes, paddingAfter } from './tar-header.ts';
import { checkPieces, paxSparse, piecesIn, spread, spreadByMap, type SparsePieces } from './tar-sparse.ts';

/** Names and pax records of one entry; more than that is no name. */
const maxMetaBytes = 1024 * 1024;

const zeros = Buffer.alloc(blockBytes);

const types: Readonly<Record<string, Entry['type']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'link',
  '2': 'symlink',
  '5': 'directory',
  '3': 'device',
  '4': 'device',
  '6': 'device',
};

/** Entries that say something about the next one: long names of GNU tar, pax headers (of Solaris too), global ones. */
const metaTypes = new Set(['L', 'K', 'x', 'X', 'g']);

/** What follows the end at most: tapes are filled up to their blocks, of a few MiB. */
const mostAfterEnd = 64 * 1024 * 1024;

/** Who is told what an archive holds. */
export interface TarListener {
  /** Told of each entry; what it gives gets the entry's bytes. */
  readonly begin: (entry: Entry) => EntryFile | undefined;
  /** Told of bytes that are no content of an entry. */
  readonly note: (bytes: number) => void;
}

/** A header whose map of a sparse file goes on in the next block. */
interface Continued {
  readonly fields: TarFields;
  readonly pieces: (readonly [offset: number, bytes: number])[];
  readonly realBytes: number;
}

/**
 * Reads a tar archive chunk by chunk: ustar, GNU and pax. Told by its own end whether it is whole: an archive ends with a block of
 * zeros, and what follows is passed over, as tar does. Why it is not a library's: tar-stream 3.2 takes an archive that is cut off
 * between two entries for a whole one, and fails on bytes after the end (tried).
 * Errors: AttemptError `artifact-invalid`.
 */
export class TarReader {
  readonly #listener: TarListener;
  readonly #head = Buffer.alloc(blockBytes);
  #headBytes = 0;
  #offset = 0;
  #left = 0;
  #padding = 0;
  #file: EntryFile | undefined;
  #meta: { readonly typeflag: string; readonly chunks: Buffer[] } | undefined;
  #long: { name?: string; linkname?: string } = {};
  #pax = new Map<string, string>();
  #globalPax = new Map<string, string>();
  #continued: Continued | undefined;
  #ended = false;
  #afterEnd = 0;

  constructor(listener: TarListener) {
    this.#listener = listener;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#ended) {
      const before = at;
      const rest = chunk.length - at;
      if (this.#left > 0) {
        at += Math.min(rest, this.#left);
        this.#left -= at - before;
        this.#take(chunk.subarray(before, at));
      } else if (this.#padding > 0) {
        at += Math.min(rest, this.#padding);
        this.#padding -= at - before;
      } else if (this.#headBytes === 0 && rest >= blockBytes) {
        at += blockBytes;
        this.#header(chunk.subarray(before, at));
      } else {
        at += Math.min(rest, blockBytes - this.#headBytes);
        chunk.copy(this.#head, this.#headBytes, before, at);
        this.#headBytes += at - before;
        if (this.#headBytes === blockBytes) {
          this.#headBytes = 0;
          this.#header(this.#head);
        }
      }
      this.#offset += at - before;
    }
    this.#afterEnd += chunk.length - at;
    if (this.#afterEnd > mostAfterEnd) throw archiveRefused('it goes on after its end');
  }

  /** There is nothing more. Errors: the archive is cut off, or there was none. */
  end(): void {
    if (this.#ended) return;
    if (this.#offset === 0) throw archiveRefused('it is empty');
    throw archiveRefused(`it is cut off after ${String(this.#offset)} bytes`);
  }

  #header(block: Buffer): void {
    if (this.#continued) {
      this.#sparse(this.#continued, block, 0, 21);
      return;
    }
    if (block.equals(zeros)) {
      this.#ended = true;
      return;
    }
    const fields = decodeFields(block);
    if (!fields) {
      throw archiveRefused(
        this.#offset < blockBytes
          ? 'it is no archive; expected tar, or a tar that is compressed with gzip, bzip2, xz or zstd, or zip'
          : `it is damaged at byte ${String(this.#offset)}`,
      );
    }
    if (metaTypes.has(fields.typeflag)) {
      if (fields.sizeBytes > maxMetaBytes) throw archiveRefused('a name is longer than any name', fields.name);
      this.#listener.note(blockBytes + fields.sizeBytes);
      this.#meta = { typeflag: fields.typeflag, chunks: [] };
      this.#expect(fields.sizeBytes);
      return;
    }
    if (fields.typeflag === 'S') {
      this.#sparse({ fields, pieces: [], realBytes: numberAt(block, 483, 12) }, block, 386, 4);
      return;
    }
    const sparse = paxSparse(this.#pax);
    const entry = this.#entry(fields, sparse?.name);
    if (sparse) this.#beginSparse(entry, sparse.pieces, sparse.realBytes);
    else this.#file = this.#listener.begin(entry);
    this.#expect(entry.type === 'file' ? entry.sizeBytes : 0);
  }

  /** A piece of the map of a GNU sparse entry; the last one tells where, at byte 482 of a header or 504 of what follows it. */
  #sparse(one: Continued, block: Buffer, at: number, most: number): void {
    one.pieces.push(...piecesIn(block, at, most));
    this.#listener.note(blockBytes);
    const goesOn = block[at + most * 24] !== 0;
    this.#continued = goesOn ? one : undefined;
    if (goesOn) return;
    const entry = this.#entry(one.fields);
    this.#beginSparse(entry, one.pieces, one.realBytes);
    this.#expect(entry.sizeBytes);
  }

  #beginSparse(entry: Entry, pieces: SparsePieces | undefined, realBytes: number): void {
    const { path, sizeBytes, type } = entry;
    if (type !== 'file') throw archiveRefused('it is sparse and no file', path);
    if (!Number.isSafeInteger(realBytes) || realBytes < 0) throw archiveRefused('its size is no number', path);
    if (pieces) checkPieces(pieces, realBytes, sizeBytes, path);
    const file = this.#listener.begin({ ...entry, sizeBytes: realBytes });
    if (!file) return;
    this.#file = pieces ? spread(file, pieces, realBytes) : spreadByMap(file, realBytes, sizeBytes, path);
  }

  #expect(bytes: number): void {
    this.#left = bytes;
    this.#padding = paddingAfter(bytes);
    if (bytes === 0) this.#finish();
  }

  #take(piece: Buffer): void {
    if (this.#meta) this.#meta.chunks.push(Buffer.from(piece));
    else this.#file?.write(piece);
    if (this.#left === 0) this.#finish();
  }

  #finish(): void {
    this.#file?.close();
    this.#file = undefined;
    const meta = this.#meta;
    if (!meta) return;
    this.#meta = undefined;
    const said = Buffer.concat(meta.chunks).toString(asBytes);
    if (meta.typeflag === 'L') this.#long.name = said.replace(/\0.*$/s, '');
    else if (meta.typeflag === 'K') this.#long.linkname = said.replace(/\0.*$/s, '');
    else if (meta.typeflag === 'g') this.#globalPax = new Map([...this.#globalPax, ...decodePax(said)]);
    else this.#pax = decodePax(said);
  }

  /** The entry that a header means, with what was said about it before. */
  #entry(fields: TarFields, realName?: string): Entry {
    const pax = (key: string) => this.#pax.get(key) ?? this.#globalPax.get(key);
    const path = realName ?? pax('path') ?? this.#long.name ?? fields.name;
    const named = types[fields.typeflag];
    if (!named) throw archiveRefused(`entries of type ${JSON.stringify(fields.typeflag)} are not unpacked`, path);
    const size = pax('size');
    const sizeBytes = size === undefined ? fields.sizeBytes : Number(size);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw archiveRefused('its size is no number', path);
    const mtime = pax('mtime');
    const linkname = pax('linkpath') ?? this.#long.linkname ?? fields.linkname;
    this.#pax = new Map();
    this.#long = {};
    return {
      path,
      // Before ustar a directory was a file whose name ends with a slash.
      type: fields.typeflag === '\0' && path.endsWith('/') ? 'directory' : named,
      sizeBytes,
      mode: fields.mode,
      mtimeMs: mtime === undefined ? fields.mtimeMs : Number(mtime) * 1000,
      linkname,
    };
  }
}
