import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { tried } from '../flow/tried.ts';
import { asBytes, forDisk, toBytes, type BytePath } from './byte-path.ts';
import type { TarEntry } from './tar-header.ts';

/** What stands in a directory, as it was when it was looked at. Its path is relative to that directory. */
export interface Found extends TarEntry {
  /** Of the last change of any kind; unlike the time of modification nobody can set it. */
  readonly ctimeMs: number;
  readonly inode: number;
}

/** So many calls in a row before others have their turn. */
const slice = 200;

const typeOf = (stats: Stats): Found['type'] | undefined => {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'symlink' : undefined;
};

/**
 * Everything in a directory, a directory before what is in it, sorted by name. What vanishes or can't be read while it is looked at is
 * left out; so are sockets, pipes and devices. Links are told, never followed. A small directory takes one turn of this
 * program, a large one leaves room for others.
 */
export const listDirectory = async (directory: string): Promise<Found[]> => {
  const found: Found[] = [];
  const top = toBytes(directory);
  let calls = 0;
  const walk = async (prefix: BytePath): Promise<void> => {
    const names = tried(() => readdirSync(forDisk(`${top}/${prefix}`), asBytes)) ?? [];
    for (const name of names.sort()) {
      if (++calls % slice === 0) await setImmediate();
      const path = prefix + name;
      const stats = tried(() => lstatSync(forDisk(`${top}/${path}`)));
      const type = stats && typeOf(stats);
      if (!stats || !type) continue;
      const { mode, mtimeMs, ctimeMs, ino: inode } = stats;
      const sizeBytes = type === 'file' ? stats.size : 0;
      found.push({ path, type, sizeBytes, mode: mode & 0o777, mtimeMs, ctimeMs, inode });
      if (type === 'directory') await walk(`${path}/`);
    }
  };
  await walk('');
  return found;
};

/** Whether there is anything to store: directories alone are nothing. */
export const hasFiles = (found: readonly Found[]): boolean => found.some(one => one.type !== 'directory');
