import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AttemptError, messageOf } from '../../errors.ts';
import { createTurns } from '../../flow/in-turn.ts';
import { orAborted } from '../../flow/wait.ts';
import type { About, Emit } from '../../telemetry/events.ts';
import { withLock } from '../../resources/lock.ts';
import { nameOf, type Asked } from './asked.ts';
import { buildTree, compileTree } from './build.ts';
import type { Distribution } from './content.ts';
import { evict } from './evict.ts';
import { createLooks } from './looks.ts';
import { createTrees, type Tree } from './trees.ts';

/** A tree of installed packages, shared by all who asked for the same. */
export interface Environment {
  readonly key: string;
  /** For a .pth. */
  readonly packages: string;
  /** Scripts of the packages, for PATH. */
  readonly bin: string;
  readonly tree: readonly Distribution[];
  /** Requirement lines that name exactly what is in it. */
  readonly lock: readonly string[];
  /** Whether this call built it. */
  readonly built: boolean;
  /** Nothing of the run is left. Resolves when it is known whether anything was changed; never rejects. */
  release(): Promise<void>;
}

export interface EnvironmentsSettings {
  readonly directory: string;
  /** What all trees together may take; those in use may be beyond that. */
  readonly limitBytes: number;
  readonly uv: string | undefined;
  /** Whether runs are users who can write into trees. */
  readonly runsMayWrite: boolean;
  readonly emit: Emit;
  readonly now?: () => number;
}

export interface Wanted extends Asked {
  /** File that gets what the tool prints. */
  readonly log: string;
  readonly signal: AbortSignal;
  readonly about?: About;
}

export interface Environments {
  /** The environment for these requirements, built once however many ask. Errors: those of `install`. */
  get(wanted: Wanted): Promise<Environment>;
  /** End what goes on beside the attempts. */
  close(): Promise<void>;
}

/** What a name stands for, until it is asked for anew. */
interface Known {
  readonly tree: Tree;
  readonly freshUntilMs: number;
  readonly built: boolean;
}

/**
 * Trees of packages that attempts share. Requirements have a name, by which those who ask for the same find what came of it; a tree
 * is keyed by its content. It is built in a staging directory and published by a rename, one builder at a time for a name, in
 * this process and across processes.
 *
 * A run may write into a tree, as root for certain. So each is looked at when a run on it has ended, and before this process uses
 * it for the first time: one that was changed serves no longer, and the next who asks builds it anew. Who asks meanwhile waits for the
 * look. Runs write no bytecode of their own: a copy with all of it replaces the tree when it is asked for a second time.
 */
export const createEnvironments = (use: EnvironmentsSettings): Environments => {
  const { directory, uv, emit, now = Date.now } = use;
  const trees = createTrees(directory);
  const looks = createLooks(trees, emit);
  const known = new Map<string, Known>();
  const making = new Map<string, Promise<Known>>();
  const compiling = new Set<string>();
  const inTurn = createTurns();
  const closed = new AbortController();

  const tidy = () => {
    void inTurn(() => evict({ trees, limitBytes: use.limitBytes, emit })).catch((error: unknown) => {
      emit('release-failed', { what: 'environments', error: messageOf(error) });
    });
  };
  const compile = async (tree: Tree): Promise<void> => {
    const { signal } = closed;
    const lock = join(directory, `.lock-${tree.key}`);
    const copy = await withLock(lock, signal, () => compileTree(trees, tree, signal));
    if (!copy) return;
    looks.trust(copy);
    for (const [name, one] of known) if (one.tree.id === tree.id) known.set(name, { ...one, tree: copy });
  };
  const compileSoon = (tree: Tree) => {
    if (tree.compiled || compiling.has(tree.id)) return;
    compiling.add(tree.id);
    // Without bytecode all is slower, nothing is wrong.
    void inTurn(() => compile(tree)).then(tidy, () => undefined);
  };

  const build = async (wanted: Wanted, tries?: number): Promise<Tree> => {
    const startedAtMs = now();
    await mkdir(directory, { recursive: true });
    const tree = await buildTree(trees, { ...wanted, uv, ...(tries && { tries }) }, key => looks.current(key));
    looks.trust(tree);
    const { key: environment, bytes } = tree;
    const packages = tree.tree.length;
    emit('environment-built', { environment, packages, bytes, durationMs: now() - startedAtMs }, wanted.about);
    return tree;
  };
  const recorded = async (name: string, freshForMs: number): Promise<Known | undefined> => {
    const named = await trees.named(name);
    const tree = named && (await looks.current(named.key));
    return tree && { tree, freshUntilMs: named.atMs + freshForMs, built: false };
  };
  const make = async (name: string, freshForMs: number, wanted: Wanted): Promise<Known> => {
    await mkdir(directory, { recursive: true });
    return withLock(join(directory, `.lock-${name}`), wanted.signal, async () => {
      const there = await recorded(name, freshForMs);
      if (there && there.freshUntilMs > now()) return there;
      try {
        const tree = await build(wanted, there && 1);
        await trees.name(name, { key: tree.key, atMs: now() });
        return { tree, freshUntilMs: now() + freshForMs, built: true };
      } catch (error) {
        // An index that is away stops nobody who was served before: what the name stood for stands a while longer.
        if (!there || !(error instanceof AttemptError && error.code === 'environment')) throw error;
        return { ...there, freshUntilMs: now() + freshForMs };
      }
    });
  };

  /** Whoever builds may be stopped for reasons of its own: then the next one builds. */
  const waitFor = async (under: Promise<unknown>, { signal, log }: Wanted): Promise<void> => {
    await orAborted(under, signal).catch(async (error: unknown) => {
      signal.throwIfAborted();
      if (!(error instanceof AttemptError && error.code === 'environment')) return;
      await appendFile(log, `${error.message}\n`);
      throw error;
    });
  };
  const find = async (name: string, freshForMs: number, wanted: Wanted): Promise<Known> => {
    for (;;) {
      const before = known.get(name);
      if (before && before.freshUntilMs > now()) return before;
      const under = making.get(name);
      if (!under) break;
      await waitFor(under, wanted);
    }
    const made = make(name, freshForMs, wanted).finally(() => making.delete(name));
    making.set(name, made);
    const one = await made;
    known.set(name, { ...one, built: false });
    return one;
  };

  /** The mark comes first: who removes trees looks at marks once more after the tree is out of the way. */
  const take = async ({ tree, built }: Known, { signal, about = {} }: Wanted): Promise<Environment | undefined> => {
    await looks.settled(tree, signal);
    const unmark = trees.uses.add(tree.id);
    if (trees.currentId(tree.key) !== tree.id) {
      unmark();
      return undefined;
    }
    trees.touch(tree.key);
    if (built) tidy();
    else compileSoon(tree);
    const packages = trees.packagesOf(tree.id);
    let released: Promise<void> | undefined;
    const release = async (): Promise<void> => {
      if (use.runsMayWrite) await looks.after(tree, about);
      unmark();
      if (trees.currentId(tree.key) !== tree.id) tidy();
    };
    return {
      key: tree.key,
      packages,
      bin: join(packages, 'bin'),
      tree: tree.tree,
      lock: tree.lock,
      built,
      release: () => (released ??= release()),
    };
  };

  return {
    get: async wanted => {
      const { name, freshForMs } = await nameOf(wanted, uv ? 'uv' : 'pip');
      for (;;) {
        wanted.signal.throwIfAborted();
        const one =
          name === undefined
            ? { tree: await build(wanted), freshUntilMs: 0, built: true }
            : await find(name, freshForMs, wanted);
        const environment = await take(one, wanted);
        if (environment) return environment;
        // It was changed, removed or replaced in between.
        if (name !== undefined && known.get(name)?.tree.id === one.tree.id) known.delete(name);
      }
    },
    close: async () => {
      closed.abort(new Error('the runner ends'));
      await inTurn(() => Promise.resolve());
    },
  };
};
