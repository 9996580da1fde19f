import { chmodSync, lstatSync, readdirSync, renameSync, rmdirSync, unlinkSync, type Dirent } from 'node:fs';
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

/**
 * Remove a directory and everything in it, read-only and very deep directories included. Links are removed, never followed. Small
 * trees go at once, large ones leave room for others. What is not there is no error.
 * Errors: those of the file system, where something could not be removed.
 */
export const removeTree = async (root: string): Promise<void> => {
  const top = toBytes(root);
  const stats = lstatSync(forDisk(top), { throwIfNoEntry: false });
  if (stats && !stats.isDirectory()) unlinkSync(forDisk(top));
  if (!stats?.isDirectory()) return;
  const stack: { readonly path: BytePath; readonly parent: BytePath; isOpen: boolean }[] = [
    { path: top, parent: top, isOpen: false },
  ];
  let calls = 0;
  let moved = 0;
  const visit = async (path: BytePath, child: Dirent): Promise<void> => {
    if (++calls % slice === 0) await setImmediate();
    const place = `${path}/${child.name}`;
    if (!child.isDirectory()) {
      insist(path, () => unlinkSync(forDisk(place)));
      return;
    }
    if (place.length <= longestPath) {
      stack.push({ path: place, parent: path, isOpen: false });
      return;
    }
    const nearer = `${top}/.removing-${String(++moved)}`;
    insist(place, () => insist(path, () => renameSync(forDisk(place), forDisk(nearer))));
    stack.push({ path: nearer, parent: top, isOpen: false });
  };
  for (let one = stack.at(-1); one; one = stack.at(-1)) {
    const { path, parent, isOpen } = one;
    if (isOpen) {
      stack.pop();
      insist(parent, () => rmdirSync(forDisk(path)));
    } else {
      one.isOpen = true;
      const list = () => readdirSync(forDisk(path), { encoding: asBytes, withFileTypes: true });
      for (const child of insist(path, list) ?? []) await visit(path, child);
    }
  }
};
