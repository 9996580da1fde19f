import {
  chmodSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { archiveRefused } from './archive-errors.ts';
import { asBytes, forDisk, toBytes, type BytePath } from './byte-path.ts';
import type { DiskBudget } from './disk-budget.ts';
import { createFileWriter } from './file-writer.ts';
import { leadsOut, partsOf } from './safe-paths.ts';

/** An entry of an archive, as it is read. */
export interface Entry {
  readonly path: BytePath;
  readonly type: 'file' | 'directory' | 'symlink' | 'link' | 'device';
  readonly sizeBytes: number;
  readonly mode: number;
  readonly mtimeMs: number;
  readonly linkname: BytePath;
}

/** A file of the archive while its bytes come, in order. */
export interface EntryFile {
  write(chunk: Buffer): void;
  /** So many zeros, which need no room on the disk. */
  skip(bytes: number): void;
  /** All of it was given. */
  close(): void;
}

export interface EntryWriterOptions {
  readonly budget: DiskBudget;
  /** What becomes of symbolic links that point out of the directory: the archive is refused, or they are left out. */
  readonly outwardLinks: 'refuse' | 'omit';
  /** Up to this size a file is written without leaving room for others; see createFileWriter. */
  readonly atOnceBytes?: number | undefined;
}

export interface EntryWriter {
  /** Make what the entry says; a file comes back open. */
  readonly begin: (entry: Entry) => EntryFile | undefined;
  /** Count what is only said of entries: archives of nothing else must end too. */
  readonly note: (bytes: number) => void;
  /** Resolves when what was given is with the kernel; undefined when it is already. */
  readonly drained: () => Promise<void> | undefined;
  /** Last: look where links lead, and give directories the modes that the archive says, since one may be read-only. */
  readonly finish: () => void;
  /** Close what is still open; nothing more comes. */
  readonly abandon: () => Promise<void>;
  readonly bytes: () => number;
}

/** What an entry takes on the disk at least: a million empty files are a bomb too. */
const entryBytes = 512;
const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const isExisting = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EEXIST';
const timeOf = (mtimeMs: number): number => (Number.isFinite(mtimeMs) && mtimeMs > 0 ? mtimeMs / 1000 : 0);

/**
 * Writes entries of an archive into a directory and nowhere else: never through a link, whoever made it. Most calls are
 * synchronous: for small files a promise per call costs more than the call.
 * @param directory exists; nobody else writes into it meanwhile
 * Errors: `artifact-invalid` for an entry that could do harm, `out-of-disk` above the budget.
 */
export const createEntryWriter = (
  directory: string,
  { budget, outwardLinks, atOnceBytes }: EntryWriterOptions,
): EntryWriter => {
  const target = toBytes(directory);
  const directories: { readonly path: BytePath; readonly entry: Entry }[] = [];
  const links: { readonly path: BytePath; readonly parts: string[]; readonly entry: Entry }[] = [];
  /** Known to be directories. They stay such: nothing here puts something else in a directory's place. */
  const made = new Set<BytePath>([target]);
  const files = createFileWriter(atOnceBytes);
  let bytes = 0;

  const spend = (count: number) => {
    budget.spend(count);
    bytes += count;
  };
  const makeDirectory = (path: BytePath, entry: Entry, isEntry: boolean) => {
    if (made.has(path)) return;
    const place = forDisk(path);
    try {
      mkdirSync(place, isEntry ? 0o700 : 0o755);
    } catch (error) {
      if (!isExisting(error)) throw error;
      if (!lstatSync(place).isDirectory()) {
        if (!isEntry) throw archiveRefused('it would be written through a link or a file', entry.path);
        rmSync(place);
        mkdirSync(place, 0o700);
      }
    }
    made.add(path);
  };
  /** The place of an entry, its parents made. */
  const placeOf = (entry: Entry, parts: readonly string[]): BytePath => {
    let path = target;
    for (const part of parts.slice(0, -1)) {
      path += `/${part}`;
      makeDirectory(path, entry, false);
    }
    return `${path}/${parts.at(-1) ?? ''}`;
  };
  /** Do it where nothing stands; what stands there is an earlier entry of that name. */
  const replacing = <T>(path: BytePath, entry: Entry, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      if (!isExisting(error)) throw error;
      if (made.has(path) || lstatSync(forDisk(path)).isDirectory()) {
        throw archiveRefused('it would take the place of a directory', entry.path);
      }
      rmSync(forDisk(path));
      return work();
    }
  };
  const openFile = (entry: Entry, path: BytePath): EntryFile => {
    const fd = replacing(path, entry, () => openSync(forDisk(path), newFile, 0o600));
    return files.open(fd, entry.sizeBytes, {
      before: spend,
      // No set-uid, set-gid or sticky bits; the runner can always read what it unpacked.
      last: () => {
        fchmodSync(fd, (entry.mode & 0o777) | 0o400);
        futimesSync(fd, timeOf(entry.mtimeMs), timeOf(entry.mtimeMs));
      },
    });
  };
  const makeLink = (entry: Entry, path: BytePath) => {
    const existing = placeOf(entry, partsOf(entry.linkname));
    if (!lstatSync(forDisk(existing), { throwIfNoEntry: false })?.isFile()) {
      throw archiveRefused('it is a hard link to something that is no file of the archive', entry.path);
    }
    if (existing !== path) replacing(path, entry, () => linkSync(forDisk(existing), forDisk(path)));
  };
  const checkLinks = () => {
    for (const { path, parts, entry } of links) {
      const place = forDisk(path);
      if (!lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink()) continue;
      if (!leadsOut(target, parts, readlinkSync(place, asBytes))) continue;
      if (outwardLinks === 'refuse') throw archiveRefused('it is a link that points out of the directory', entry.path);
      rmSync(place);
    }
  };

  return {
    begin: entry => {
      const parts = partsOf(entry.path);
      if (parts.length === 0) {
        if (entry.type === 'directory') return undefined;
        throw archiveRefused('it has no name', entry.path);
      }
      spend(entryBytes);
      const path = placeOf(entry, parts);
      switch (entry.type) {
        case 'directory':
          makeDirectory(path, entry, true);
          directories.push({ path, entry });
          return undefined;
        case 'file':
          return openFile(entry, path);
        case 'symlink':
          if (entry.linkname === '' || entry.linkname.includes('\0')) {
            throw archiveRefused('it is a link to nothing', entry.path);
          }
          replacing(path, entry, () => symlinkSync(forDisk(entry.linkname), forDisk(path)));
          links.push({ path, parts: parts.slice(0, -1), entry });
          return undefined;
        case 'link':
          makeLink(entry, path);
          return undefined;
        case 'device':
          throw archiveRefused('it is a device or a pipe', entry.path);
        default:
          return entry.type satisfies never;
      }
    },
    note: spend,
    drained: files.drained,
    finish: () => {
      checkLinks();
      const deepestFirst = directories.toSorted((a, b) => b.path.length - a.path.length);
      for (const { path, entry } of deepestFirst) {
        lutimesSync(forDisk(path), timeOf(entry.mtimeMs), timeOf(entry.mtimeMs));
        chmodSync(forDisk(path), entry.mode & 0o777);
      }
    },
    abandon: files.abandon,
    bytes: () => bytes,
  };
};
