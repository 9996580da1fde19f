import { chmodSync, lstatSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { ownProcess } from '../resources/process-identity.ts';
import { removeAbandoned } from './abandoned.ts';
import { emptyTree, removeTree } from './remove-tree.ts';
import { isUntouched, markOf, type Mark } from './untouched.ts';

/** Directories that runs left as they found them, for the runs after them. */
export interface Spares {
  /** Where who keeps more than empty directories may put it: on the file system of all attempts, gone when this is closed. */
  readonly directory: string;
  /**
   * Make a directory, empty and like any other new one.
   * Errors: those of the file system.
   */
  make(path: string): void;
  /**
   * Empty a directory and keep it, where nobody touched it since it was marked; else it stays.
   * Errors: those of the file system.
   */
  keep(path: string, mark: Mark): Promise<void>;
  close(): Promise<void>;
}

/** More than the attempts that run at once have, in all. */
const most = 128;

/**
 * Open this runner's spare directories. To make and to remove some twenty for each attempt costs more than a short run does, most
 * of all where the file system looks for an inode beyond all that were freed lately.
 * @param home directory of all attempts
 * Errors: those of the file system.
 */
export const openSpares = async (home: string): Promise<Spares> => {
  const all = join(home, 'spares');
  mkdirSync(all, { recursive: true });
  await removeAbandoned(all);
  const directory = join(all, ownProcess);
  await removeTree(directory);
  mkdirSync(directory);
  const { mode, uid, gid } = lstatSync(directory);
  const spares: { readonly path: string; readonly mark: Mark }[] = [];
  let count = 0;
  return {
    directory,
    make: path => {
      for (let spare = spares.pop(); spare; spare = spares.pop()) {
        // Programs may write here as anywhere, where no other user runs them.
        if (!isUntouched(spare.path, spare.mark)) continue;
        renameSync(spare.path, path);
        return;
      }
      mkdirSync(path);
    },
    keep: async (path, mark) => {
      if (spares.length >= most || !isUntouched(path, mark)) return;
      const stats = lstatSync(path);
      if (stats.uid !== uid || stats.gid !== gid) return;
      await emptyTree(path);
      if (stats.mode !== mode) chmodSync(path, mode & 0o7777);
      const place = join(directory, String(count++));
      renameSync(path, place);
      spares.push({ path: place, mark: markOf(place) });
    },
    close: () => removeTree(directory),
  };
};
