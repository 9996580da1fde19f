import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Workspace } from '../model/attempt.ts';
import { removeTree } from './remove-tree.ts';

export interface WorkspacePlace {
  /** `<working-dir>/<run root>`: STUDIOML_HOME. */
  readonly home: string;
  /** The experiment's key: any characters, so it is never a path as it is. */
  readonly key: string;
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
 * it. Synchronous: all the mkdirs together take less than one promise call.
 * Source: spec "Layout on disk".
 */
export const createWorkspace = ({ home, key }: WorkspacePlace): Workspace => {
  const root = claimRoot(join(home, 'experiments'), key);
  const at = (name: string) => join(root, name);
  const tmp = join(at('_runner'), 'tmp');
  for (const directory of [at('workspace'), at('output'), at('_metadata'), at('_runner'), tmp]) mkdirSync(directory);
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
  };
};

/**
 * Remove an attempt's directories, whatever it left in them. Links are removed, never followed.
 * Errors: those of the file system, where something could not be removed.
 */
export const removeWorkspace = ({ root }: Pick<Workspace, 'root'>): Promise<void> => removeTree(root);
