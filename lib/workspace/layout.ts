import { createHash } from 'node:crypto';
import { closeSync, lstatSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { OwnedWorkspace } from '../model/workspace.ts';
import { removeTree } from './remove-tree.ts';
import type { Spares } from './spares.ts';
import { isUntouched, markOf } from './untouched.ts';

export interface WorkspacePlace {
  /** `<working-dir>/<run root>`: STUDIOML_HOME. */
  readonly home: string;
  /** The experiment's key: any characters, so it is never a path as it is. */
  readonly key: string;
  readonly spares?: Spares | undefined;
  /** Default: it is removed when its attempt is over. */
  readonly stays?: boolean;
}

/** A directory name for a key: short, safe, the same for every attempt. */
const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 16);

const runnersOwn = '_runner';

const isTaken = (error: unknown): boolean =>
  ['EEXIST', 'ENOTEMPTY', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

/** Make a root with `_runner` in it, where nothing stands yet. */
const makeRoot = (root: string, spares: Spares | undefined): void => {
  if (spares) {
    spares.make(root, [runnersOwn]);
    return;
  }
  mkdirSync(root);
  mkdirSync(join(root, runnersOwn));
};

/** The file system decides which number is free, so two runners on one working directory never share one. */
const claimRoot = (experiments: string, key: string, spares: Spares | undefined): string => {
  mkdirSync(experiments, { recursive: true });
  const hash = hashOf(key);
  for (let n = 0; ; n++) {
    const root = join(experiments, `${hash}.${String(n)}`);
    if (lstatSync(root, { throwIfNoEntry: false })) continue;
    try {
      makeRoot(root, spares);
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
export const createWorkspace = ({ home, key, spares, stays = false }: WorkspacePlace): OwnedWorkspace => {
  const root = claimRoot(join(home, 'experiments'), key, spares);
  const at = (name: string) => join(root, name);
  const make = (directory: string) => {
    if (spares) spares.make(directory);
    else mkdirSync(directory);
  };
  const runner = at(runnersOwn);
  const tmp = join(runner, 'tmp');
  const output = at('output');
  const outputFile = join(output, 'output');
  const directories = [at('workspace'), output, at('_metadata'), tmp];
  for (const directory of directories) make(directory);
  const before: (() => void | Promise<void>)[] = [];
  let keepRoot: (() => Promise<void>) | undefined;
  return {
    root,
    workspace: at('workspace'),
    output,
    outputFile,
    metadata: at('_metadata'),
    runner,
    tmp,
    home,
    stays,
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
      if (!spares) return () => undefined;
      // Made later, it would be a change of its directory.
      closeSync(openSync(outputFile, 'a'));
      const marked = (paths: readonly string[]) => paths.map(path => ({ path, mark: markOf(path) }));
      const marks = marked(directories);
      const ofRoot = marked([root, runner]);
      return () => {
        before.push(async () => {
          for (const { path, mark } of marks) await spares.keep(path, mark);
        });
        // Asked now: what is moved out of them later is no program's doing.
        if (!ofRoot.every(({ path, mark }) => isUntouched(path, mark))) return;
        keepRoot = () => spares.keep(root, markOf(root), [runnersOwn]);
      };
    },
    remove: async () => {
      try {
        for (const work of before) await work();
        await keepRoot?.();
      } finally {
        await removeTree(root);
      }
    },
  };
};
