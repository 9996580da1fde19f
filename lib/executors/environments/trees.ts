import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isOfLiving, ownProcess } from '../../resources/process-identity.ts';
import { removeTree } from '../../workspace/remove-tree.ts';
import type { Content } from './content.ts';
import type { Survey } from './survey.ts';
import { createUses, type Uses } from './uses.ts';

/** A tree of installed packages, written once and never changed: `key` says what is in it, `id` which copy of that it is. */
export interface Tree extends Content, Omit<Survey, 'newest'> {
  readonly id: string;
  /** Path of the interpreter that it was made for. */
  readonly python: string;
  /** Whether its bytecode is in it. */
  readonly compiled: boolean;
}

/** Which content a set of requirements stands for, and since when. */
export interface Named {
  readonly key: string;
  readonly atMs: number;
}

/**
 * Trees on the disk.
 * ```
 * trees/<id>/packages, tree.json   published by a rename
 * current/<key>                    the id that serves for this content; its time is when it was used last
 * names/<name>                     Named, by a hash of what was asked for
 * uses/<id>/<process>~<n>          who uses it
 * .staging-<process>~<uuid>        half of one
 * ```
 */
export interface Trees {
  readonly uses: Uses;
  packagesOf(id: string): string;
  currentId(key: string): string | undefined;
  read(id: string): Promise<Tree | undefined>;
  /** The tree that serves for a content. */
  current(key: string): Promise<Tree | undefined>;
  /** It was used now. */
  touch(key: string): void;
  named(name: string): Promise<Named | undefined>;
  name(name: string, named: Named): Promise<void>;
  /** Let go of names that stand for nothing any more. */
  dropNames(): Promise<void>;
  newId(key: string): string;
  /** Work in a new directory that is gone afterwards, unless it was published. */
  inStaging<T>(work: (staging: string) => Promise<T>): Promise<T>;
  /** Make `staging`, with its `packages`, the tree that serves for its content. */
  publish(staging: string, tree: Tree): Promise<void>;
  /** It serves no longer; who uses it may go on. */
  retire(tree: Pick<Tree, 'id' | 'key'>): void;
  /** Remove a tree that serves for nothing and is in nobody's use. Out: whether it is gone. */
  removeUnused(id: string): Promise<boolean>;
  /** Every tree, and what builders that died have left. */
  list(): Promise<{ readonly ids: readonly string[]; readonly abandoned: readonly string[] }>;
  /** When the content was used last, ms since the epoch. */
  lastUsedMs(key: string): number;
}

const keyOf = (id: string): string => id.replace(/\..*$/, '');

export const createTrees = (directory: string): Trees => {
  const at = (...names: readonly string[]) => join(directory, ...names);
  const uses = createUses(at('uses'));

  const currentId = (key: string): string | undefined => {
    try {
      return readFileSync(at('current', key), 'utf8');
    } catch {
      return undefined;
    }
  };
  /** Readers find the file before or the file after. */
  const replace = async (folder: string, name: string, text: string): Promise<void> => {
    await mkdir(at(folder), { recursive: true });
    const draft = at(folder, `.${randomUUID()}`);
    await writeFile(draft, text);
    await rename(draft, at(folder, name));
  };
  const json = async (path: string): Promise<unknown> => {
    try {
      return JSON.parse(await readFile(path, 'utf8'));
    } catch {
      return undefined;
    }
  };
  const read = (id: string): Promise<Tree | undefined> =>
    json(at('trees', id, 'tree.json')) as Promise<Tree | undefined>;
  const namesIn = (folder: string): Promise<string[]> => readdir(at(folder)).catch(() => []);

  return {
    uses,
    packagesOf: id => at('trees', id, 'packages'),
    currentId,
    read,
    current: async key => {
      const id = currentId(key);
      return id === undefined ? undefined : read(id);
    },
    touch: key => {
      const now = new Date();
      void utimes(at('current', key), now, now).catch(() => undefined);
    },
    named: name => json(at('names', name)) as Promise<Named | undefined>,
    name: (name, named) => replace('names', name, JSON.stringify(named)),
    dropNames: async () => {
      for (const name of await namesIn('names')) {
        const named = (await json(at('names', name))) as Named | undefined;
        if (named && currentId(named.key) === undefined) rmSync(at('names', name), { force: true });
      }
    },
    newId: key => `${key}.${randomUUID().slice(0, 8)}`,
    inStaging: async work => {
      const staging = at(`.staging-${ownProcess}~${randomUUID()}`);
      await mkdir(join(staging, 'packages'), { recursive: true });
      try {
        return await work(staging);
      } finally {
        await rm(staging, { recursive: true, force: true });
      }
    },
    publish: async (staging, tree) => {
      await mkdir(at('trees'), { recursive: true });
      await writeFile(join(staging, 'tree.json'), JSON.stringify(tree));
      // Until it serves it looks like one to be removed.
      const unmark = uses.add(tree.id);
      try {
        await rename(staging, at('trees', tree.id));
        await replace('current', tree.key, tree.id);
      } finally {
        unmark();
      }
    },
    retire: ({ id, key }) => {
      if (currentId(key) === id) rmSync(at('current', key), { force: true });
    },
    removeUnused: async id => {
      const root = at('trees', id);
      if (currentId(keyOf(id)) === id || uses.any(id)) return false;
      const aside = at(`.staging-${ownProcess}~${randomUUID()}`);
      if (!existsSync(root)) return true;
      renameSync(root, aside);
      // Who says that it uses a tree looks afterwards whether that still serves: so only one that came before this is of interest.
      if (uses.any(id)) {
        renameSync(aside, root);
        return false;
      }
      await removeTree(aside);
      uses.forget(id);
      return true;
    },
    list: async () => {
      const [ids, all] = [await namesIn('trees'), await namesIn('.')];
      const isAbandoned = (name: string) => {
        const stats = statSync(at(name), { throwIfNoEntry: false });
        return stats !== undefined && !isOfLiving(name.slice('.staging-'.length), stats.mtimeMs);
      };
      return {
        ids,
        abandoned: all.filter(name => name.startsWith('.staging-') && isAbandoned(name)).map(one => at(one)),
      };
    },
    lastUsedMs: key => statSync(at('current', key), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  };
};
