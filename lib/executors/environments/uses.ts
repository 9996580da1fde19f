import { mkdirSync, readdirSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isOfLiving, ownProcess } from '../../resources/process-identity.ts';

/** Who uses which tree, in files that runners on the same directory see. Calls are synchronous: one takes some 50 µs. */
export interface Uses {
  /** Say that a tree is in use; call what comes back when it is no more. */
  add(tree: string): () => void;
  /** Whether anybody alive uses it. */
  any(tree: string): boolean;
  /** It is removed. */
  forget(tree: string): void;
}

/** @param directory one directory for each tree in use, one file for each use */
export const createUses = (directory: string): Uses => {
  let count = 0;
  const isLiving = (tree: string, name: string): boolean => {
    const stats = statSync(join(directory, tree, name), { throwIfNoEntry: false });
    return stats !== undefined && isOfLiving(name, stats.mtimeMs);
  };
  const namesOf = (tree: string): string[] => {
    try {
      return readdirSync(join(directory, tree));
    } catch {
      return [];
    }
  };
  return {
    add: tree => {
      const file = join(directory, tree, `${ownProcess}~${String(++count)}`);
      mkdirSync(join(directory, tree), { recursive: true });
      writeFileSync(file, '');
      return () => {
        rmSync(file, { force: true });
      };
    },
    any: tree => namesOf(tree).some(name => isLiving(tree, name)),
    forget: tree => {
      for (const name of namesOf(tree)) {
        if (!isLiving(tree, name)) rmSync(join(directory, tree, name), { force: true });
      }
      try {
        rmdirSync(join(directory, tree));
      } catch {
        // Somebody has come in between, or there was none.
      }
    },
  };
};
