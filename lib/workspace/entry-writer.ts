import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { AttemptError } from '../errors.ts';
import { checkLink, placeFor, refuseEntry } from './safe-paths.ts';

/** What the writer needs to know of an entry of an archive. */
export interface Entry {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'link' | 'other';
  readonly mode: number;
  readonly mtimeMs?: number;
  readonly linkname?: string;
}

/** An open file of the archive: gets its bytes in order. */
export interface EntryFile {
  write(chunk: Uint8Array): void;
  close(): void;
}

export interface EntryWriter {
  /** Make what the entry says; a file comes back open. */
  begin(entry: Entry): EntryFile | undefined;
  /** Give directories the modes that the archive says: last, since one may be read-only. */
  finish(): void;
  readonly bytes: number;
}

/**
 * Writes entries of an archive into a directory and nowhere else. Synchronous calls: for small files a promise per call costs
 * more than the call. Bytes are counted while they are written.
 * @param maxBytes 0: no limit
 * Errors: `artifact-invalid` for an entry that could do harm, `out-of-disk` above the limit.
 */
export const createEntryWriter = (target: string, maxBytes: number): EntryWriter => {
  const directories: { readonly path: string; readonly mode: number }[] = [];
  const made = new Set([target]);
  let bytes = 0;

  const makeParents = (place: string) => {
    const parent = dirname(place);
    if (made.has(parent)) return;
    mkdirSync(parent, { recursive: true });
    made.add(parent);
  };
  const makeRoom = (place: string) => {
    const found = lstatSync(place, { throwIfNoEntry: false });
    if (found && !found.isDirectory()) rmSync(place);
  };
  const count = (length: number, name: string) => {
    bytes += length;
    if (maxBytes > 0 && bytes > maxBytes) {
      throw new AttemptError('out-of-disk', 'the artifact unpacks to more than the disk that was asked for', {
        entry: name,
        maxBytes,
      });
    }
  };
  const openFile = (entry: Entry, place: string): EntryFile => {
    makeRoom(place);
    // No set-uid, set-gid or sticky bits; the runner itself can always read what it unpacked.
    const fd = openSync(place, 'wx', (entry.mode & 0o777) | 0o600);
    return {
      write: chunk => {
        count(chunk.length, entry.name);
        for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at, chunk.length - at);
      },
      close: () => {
        closeSync(fd);
        if (entry.mtimeMs !== undefined) utimesSync(place, entry.mtimeMs / 1000, entry.mtimeMs / 1000);
      },
    };
  };

  return {
    get bytes() {
      return bytes;
    },
    begin: entry => {
      const place = placeFor(target, entry.name);
      makeParents(place);
      // Every entry costs at least a block somewhere: a million empty files are a bomb too.
      count(512, entry.name);
      switch (entry.type) {
        case 'directory':
          mkdirSync(place, { recursive: true });
          made.add(place);
          if (place !== target) directories.push({ path: place, mode: entry.mode & 0o777 });
          return undefined;
        case 'file':
          return openFile(entry, place);
        case 'symlink':
          checkLink(target, place, entry.linkname ?? '', entry.name);
          makeRoom(place);
          symlinkSync(entry.linkname ?? '', place);
          return undefined;
        case 'link': {
          const existing = placeFor(target, entry.linkname ?? '');
          if (!lstatSync(existing, { throwIfNoEntry: false })?.isFile()) {
            throw refuseEntry(entry.name, 'it is a hard link to something that is no file of the archive');
          }
          makeRoom(place);
          linkSync(existing, place);
          return undefined;
        }
        case 'other':
          throw refuseEntry(entry.name, 'it is a device or a pipe');
        default:
          return entry.type satisfies never;
      }
    },
    finish: () => {
      for (const { path, mode } of directories.reverse()) chmodSync(path, mode | 0o700);
    },
  };
};
