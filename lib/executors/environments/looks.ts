import { messageOf } from '../../errors.ts';
import { orAborted } from '../../flow/wait.ts';
import type { About, Emit } from '../../telemetry/events.ts';
import { survey } from './survey.ts';
import type { Tree, Trees } from './trees.ts';

/** Looks at trees, whether they are what they were. */
export interface Looks {
  /** The tree that serves for a content, if it is what it was: looked at where this process has not done so before. */
  current(key: string): Promise<Tree | undefined>;
  /** A run on this tree has ended: look at it. Resolves when that is done; never rejects. */
  after(tree: Tree, about: About): Promise<void>;
  /** Those who wait for a tree wait for what is known to have ended on it. Errors: the signal's reason. */
  settled(tree: Tree, signal: AbortSignal): Promise<void>;
  /** This process has made it just now. */
  trust(tree: Tree): void;
}

interface Look {
  readonly done: Promise<boolean>;
  /** The one after it, for all who end while it is under way: it may have passed by what they wrote. */
  next?: Promise<boolean>;
}

export const createLooks = (trees: Trees, emit: Emit): Looks => {
  const sound = new Set<string>();
  const looks = new Map<string, Look>();

  /** One that was changed serves no longer. */
  const lookAt = async (tree: Tree, about: About): Promise<boolean> => {
    const seen = await survey(tree.python, trees.packagesOf(tree.id)).catch(messageOf);
    if (typeof seen !== 'string' && seen.fingerprint === tree.fingerprint) {
      sound.add(tree.id);
      return true;
    }
    sound.delete(tree.id);
    if (trees.currentId(tree.key) === tree.id) {
      trees.retire(tree);
      emit(
        'environment-changed',
        { environment: tree.key, what: typeof seen === 'string' ? seen : seen.newest },
        about,
      );
    }
    return false;
  };
  const look = (tree: Tree, about: About): Promise<boolean> => {
    const under = looks.get(tree.id);
    if (under) {
      return (under.next ??= under.done.then(() => {
        looks.delete(tree.id);
        return look(tree, about);
      }));
    }
    const entry: Look = { done: lookAt(tree, about) };
    looks.set(tree.id, entry);
    void entry.done.then(() => {
      if (entry.next === undefined) looks.delete(tree.id);
    });
    return entry.done;
  };

  return {
    current: async key => {
      const tree = await trees.current(key);
      return tree && (sound.has(tree.id) || (await look(tree, {}))) ? tree : undefined;
    },
    after: async (tree, about) => {
      await look(tree, about);
    },
    settled: async ({ id }, signal) => {
      const under = looks.get(id);
      if (under) await orAborted(under.next ?? under.done, signal);
    },
    trust: ({ id }) => {
      sound.add(id);
    },
  };
};
