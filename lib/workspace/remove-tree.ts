import { chmodSync, lstatSync, readdirSync, renameSync, unlinkSync, type Dirent } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { asBytes, forDisk, toBytes, type BytePath } from './byte-path.ts';

/** So many calls in a row before others have their turn. */
const slice = 200;
/** Linux takes paths of 4,096 bytes; a program that changes into its directories can nest deeper. */
const longestPath = 3000;

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** Do it; where it is not allowed, once more after the directory was opened up. What is not there is no error. */
const insist = <T>(directory: BytePath, work: () => T): T | undefined => {
  try {
    return work();
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return undefined;
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
  }
  chmodSync(forDisk(directory), 0o700);
  return work();
};

/** Remove a directory whose contents are gone; where its parent does not allow it, once more after that was opened up. */
const removeEmpty = async (path: BytePath, parent: BytePath, contents: readonly Promise<void>[]): Promise<void> => {
  await Promise.all(contents);
  try {
    await rmdir(forDisk(path));
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return;
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
    chmodSync(forDisk(parent), 0o700);
    await rmdir(forDisk(path));
  }
};

/** A directory on the way down. */
interface Visited {
  readonly path: BytePath;
  readonly parent: Visited | undefined;
  /** What stands in it is known. */
  isOpen: boolean;
  /** Directories in it that are being removed. */
  readonly going: Promise<void>[];
}

/** Remove what is in a directory, and the directory itself where `isKept` does not say otherwise. */
const clear = async (top: BytePath, isKept: boolean): Promise<void> => {
  const first: Visited = { path: top, parent: undefined, isOpen: false, going: [] };
  const stack = [first];
  let calls = 0;
  let moved = 0;
  const visit = async (within: Visited, child: Dirent): Promise<void> => {
    if (++calls % slice === 0) await setImmediate();
    const { path } = within;
    const place = `${path}/${child.name}`;
    if (!child.isDirectory()) {
      insist(path, () => unlinkSync(forDisk(place)));
      return;
    }
    if (place.length <= longestPath) {
      stack.push({ path: place, parent: within, isOpen: false, going: [] });
      return;
    }
    const nearer = `${top}/.removing-${String(++moved)}`;
    insist(place, () => insist(path, () => renameSync(forDisk(place), forDisk(nearer))));
    stack.push({ path: nearer, parent: first, isOpen: false, going: [] });
  };
  for (let one = stack.at(-1); one; one = stack.at(-1)) {
    const { path, parent, isOpen, going } = one;
    if (isOpen) {
      stack.pop();
      if (!parent && isKept) {
        await Promise.all(going);
        return;
      }
      const gone = removeEmpty(path, (parent ?? one).path, going);
      if (!parent) return gone;
      gone.catch(() => undefined);
      parent.going.push(gone);
      // As many at a time as there may be, and no more of them in memory.
      if (parent.going.length >= slice) await Promise.all(parent.going.splice(0));
    } else {
      one.isOpen = true;
      const list = () => readdirSync(forDisk(path), { encoding: asBytes, withFileTypes: true });
      for (const child of insist(path, list) ?? []) await visit(one, child);
    }
  }
};

/**
 * Remove a directory and everything in it, read-only and very deep directories included. Links are removed, never followed. Small
 * trees go at once, large ones leave room for others. What is not there is no error. Files go one by one, which is quickest;
 * directories beside each other, off the event loop: some file systems take milliseconds for each.
 * Errors: those of the file system, where something could not be removed.
 */
export const removeTree = async (root: string): Promise<void> => {
  const top = toBytes(root);
  const stats = lstatSync(forDisk(top), { throwIfNoEntry: false });
  if (stats?.isDirectory()) return clear(top, false);
  if (stats) unlinkSync(forDisk(top));
};

/** Remove what is in a directory, as `removeTree` does, and leave the directory. */
export const emptyTree = (root: string): Promise<void> => clear(toBytes(root), true);
