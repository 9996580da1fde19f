import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { OwnedWorkspace } from '../model/workspace.ts';
import { removeTree } from './remove-tree.ts';
import type { Spares } from './spares.ts';
import { markOf } from './untouched.ts';

export interface WorkspacePlace {
  /** `<working-dir>/<run root>`: STUDIOML_HOME. */
  readonly home: string;
  /** The experiment's key: any characters, so it is never a path as it is. */
  readonly key: string;
  readonly spares?: Spares | undefined;
}

/** A directory name for a key: short, safe, the same for every attempt. */
const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 16);

const isTaken = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EEXIST';

/** mkdir decides which number is free, so two runners on one working directory never share one. */
const claimRoot = (experiments: string, key: string): string => {
  mkdirSync(experiments, { recursive: true });
  const hash = hashOf(key);
  for (let n = 0; ; n++) {
    const root = join(experiments, `${hash}.${String(n)}`);
    try {
      mkdirSync(root);
      return root;
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
  }
};

/**
 * Make the directories of one attempt: `<home>/experiments/<hash of key>.<n>/` with workspace, output, _metadata and _runner in
 * it. Synchronous: all of them together take less than one promise call.
 * Source: spec "Layout on disk".
 */
export const createWorkspace = ({ home, key, spares }: WorkspacePlace): OwnedWorkspace => {
  const root = claimRoot(join(home, 'experiments'), key);
  const at = (name: string) => join(root, name);
  const make = (directory: string) => {
    if (spares) spares.make(directory);
    else mkdirSync(directory);
  };
  const tmp = join(at('_runner'), 'tmp');
  const directories = [at('workspace'), at('output'), at('_metadata'), tmp];
  mkdirSync(at('_runner'));
  for (const directory of directories) make(directory);
  const before: (() => void | Promise<void>)[] = [];
  return {
    root,
    workspace: at('workspace'),
    output: at('output'),
    outputFile: join(at('output'), 'output'),
    metadata: at('_metadata'),
    runner: at('_runner'),
    tmp,
    home,
    directoryOf: at,
    makeDirectory: label => {
      const directory = at(label);
      if (directories.includes(directory)) return;
      make(directory);
      directories.push(directory);
    },
    beforeRemoval: work => {
      before.push(work);
    },
    mark: () => {
      const marks = spares ? directories.map(path => ({ path, mark: markOf(path) })) : [];
      return () => {
        before.push(async () => {
          for (const { path, mark } of marks) await spares?.keep(path, mark);
        });
      };
    },
    remove: async () => {
      try {
        for (const work of before) await work();
      } finally {
        await removeTree(root);
      }
    },
  };
};
