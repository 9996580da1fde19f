import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '../workspace/remove-tree.ts';
import type { Spares } from '../workspace/spares.ts';
import { isUntouched, markOf, type Mark } from '../workspace/untouched.ts';
import type { Interpreter } from './interpreters.ts';
import {
  createPrivateEnvironment,
  privateEnvironmentAt,
  type PrivateEnvironment,
  type SharedTree,
} from './private-environment.ts';

/** Private environments that runs left as they found them, for the runs after them. */
export interface SpareEnvironments {
  /**
   * Make a private environment.
   * Errors: those of the file system.
   */
  make(root: string, interpreter: Interpreter, shared?: SharedTree): PrivateEnvironment;
  /** To be called before a program runs in it. Out: keeps it, where that left it untouched; else it stays. */
  mark(own: PrivateEnvironment): () => Promise<void>;
}

interface Spare {
  readonly kind: string;
  readonly root: string;
  readonly marks: ReadonlyMap<string, Mark>;
}

const most = 16;

const kindOf = (interpreter: Interpreter, shared?: SharedTree): string =>
  JSON.stringify([interpreter.path, interpreter.version, shared?.packages]);

const isWhole = ({ root, marks }: Omit<Spare, 'kind'>): boolean =>
  [...marks].every(([entry, mark]) => isUntouched(join(root, entry), mark));

/** @param spares where they stand; undefined: none are kept */
export const createSpareEnvironments = (spares: Spares | undefined): SpareEnvironments => {
  const kept: Spare[] = [];
  const kinds = new WeakMap<PrivateEnvironment, string>();
  let count = 0;
  /** What somebody wrote into since stays where it is, until all go. */
  const take = (kind: string): Spare | undefined => {
    for (let at = kept.length - 1; at >= 0; at -= 1) {
      if (kept[at]?.kind !== kind) continue;
      const [spare] = kept.splice(at, 1);
      if (spare && isWhole(spare)) return spare;
    }
    return undefined;
  };
  return {
    make: (root, interpreter, shared) => {
      const kind = kindOf(interpreter, shared);
      const spare = take(kind);
      if (spare) renameSync(spare.root, root);
      const own = (spare ? privateEnvironmentAt : createPrivateEnvironment)(root, interpreter, shared);
      kinds.set(own, kind);
      return own;
    },
    mark: own => {
      const marks = new Map(spares && own.entries.map(entry => [entry, markOf(join(own.root, entry))]));
      return async () => {
        const kind = kinds.get(own);
        if (!spares || kind === undefined || !isWhole({ root: own.root, marks })) return;
        const root = join(spares.directory, `environment-${String(count++)}`);
        renameSync(own.root, root);
        // Its own name is all that changed.
        kept.push({ kind, root, marks: marks.set('', markOf(root)) });
        if (kept.length > most) await removeTree(kept.shift()?.root ?? '');
      };
    },
  };
};
