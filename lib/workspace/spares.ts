import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { ownProcess } from '../resources/process-identity.ts';
import { removeAbandoned } from './abandoned.ts';
import { emptyTree, removeTree } from './remove-tree.ts';
import { isUntouched, markOf, type Mark } from './untouched.ts';

/** Directories that runs left as they found them, for the runs after them. */
export interface Spares {
  /** Where who keeps more than directories may put it: on the file system of all attempts, gone when this is closed. */
  readonly directory: string;
  /**
   * Make a directory, like any other new one: empty, or with empty directories in it.
   * @param inner their names; what has some is never put in the place of anything that stands there
   * Errors: those of the file system.
   */
  make(path: string, inner?: readonly string[]): void;
  /**
   * Empty a directory and keep it, where nobody touched it since it was marked; else it stays.
   * @param inner names of directories in it that stay; nobody touched them either
   * Errors: those of the file system.
   */
  keep(path: string, mark: Mark, inner?: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** A directory that stands by, and what stands in it. */
interface Spare {
  readonly path: string;
  readonly marks: ReadonlyMap<string, Mark>;
}

/** More than the attempts that run at once have, in all. */
const most = 128;

const withItself = (path: string, inner: readonly string[]): string[] => [path, ...inner.map(name => join(path, name))];
const marksOf = (path: string, inner: readonly string[]) =>
  new Map(withItself(path, inner).map(one => [one, markOf(one)]));
// Programs may write here as anywhere, where no other user runs them.
const isUsable = ({ marks }: Spare): boolean => [...marks].every(([path, mark]) => isUntouched(path, mark));

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
  const sameOwner = (path: string): boolean => {
    const stats = lstatSync(path);
    return stats.uid === uid && stats.gid === gid;
  };
  /** By what stands in them. */
  const spares = new Map<string, Spare[]>();
  const kept = (inner: readonly string[]): Spare[] => {
    const kind = inner.join('/');
    const found = spares.get(kind) ?? [];
    spares.set(kind, found);
    return found;
  };
  let count = 0;
  const nextPlace = (): string => join(directory, String(count++));
  const made = (inner: readonly string[]): Spare => {
    const path = nextPlace();
    for (const one of withItself(path, inner)) mkdirSync(one);
    return { path, marks: marksOf(path, inner) };
  };
  const taken = (found: Spare[]): Spare | undefined => {
    for (let spare = found.pop(); spare; spare = found.pop()) if (isUsable(spare)) return spare;
    return undefined;
  };
  return {
    directory,
    make: (path, inner = []) => {
      const found = kept(inner);
      const spare = taken(found) ?? (inner.length > 0 ? made(inner) : undefined);
      if (!spare) {
        mkdirSync(path);
        return;
      }
      try {
        renameSync(spare.path, path);
      } catch (error) {
        found.push(spare);
        throw error;
      }
    },
    keep: async (path, mark, inner = []) => {
      const found = kept(inner);
      const all = withItself(path, inner);
      if (found.length >= most || !isUntouched(path, mark) || !all.every(sameOwner)) return;
      if (inner.length === 0) await emptyTree(path);
      else
        for (const name of readdirSync(path)) await (inner.includes(name) ? emptyTree : removeTree)(join(path, name));
      for (const one of all) if (lstatSync(one).mode !== mode) chmodSync(one, mode & 0o7777);
      const place = nextPlace();
      renameSync(path, place);
      found.push({ path: place, marks: marksOf(place, inner) });
    },
    close: () => removeTree(directory),
  };
};
