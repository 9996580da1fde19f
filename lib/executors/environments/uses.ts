import { mkdirSync, readdirSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { pidNamespace, startTimeOf } from '../../resources/process-identity.ts';

/** Who uses which tree, in files that runners on the same directory see. Calls are synchronous: one takes some 50 µs. */
export interface Uses {
  /** Say that a tree is in use; call what comes back when it is no more. */
  add(tree: string): () => void;
  /** Whether anybody alive uses it. */
  any(tree: string): boolean;
  /** It is removed. */
  forget(tree: string): void;
}

/** Nothing runs longer: a mark that is this old and whose owner can't be looked at is nobody's. */
const longestRunMs = 100 * 3_600_000;

const place = `${hostname()}~${pidNamespace()}`;

/** A process by a name that no other has. */
export const ownProcess = `${place}~${String(process.pid)}~${startTimeOf(process.pid) ?? '0'}`;

/**
 * Whether the process that made this file lives: one that was killed leaves its marks, and they count no more.
 * @param name begins with what `ownProcess` was there
 */
export const isOfLiving = (name: string, changedAtMs: number): boolean => {
  const [host = '', space = '', pid = '', started = ''] = name.split('~');
  // Of another container or machine: its processes can't be seen from here.
  if (`${host}~${space}` !== place) return Date.now() - changedAtMs < longestRunMs;
  return startTimeOf(Number(pid)) === started;
};

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
