import { readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Delivery } from '../../model/delivery.ts';
import type { Emit } from '../../telemetry/events.ts';
import { QueueGone, type WorkQueue } from '../queue.ts';
import { makeClaims, readPastAt } from './claims.ts';
import { createDelivery } from './delivery.ts';
import { createQueueLock } from './lock.ts';
import { isMessage, lockName, pastOf, pathsOf } from './paths.ts';
import { changesOf } from './watch.ts';

export interface DirectoryQueueSettings {
  readonly root: string;
  readonly name: string;
  readonly runnerId: string;
  readonly emit: Emit;
  readonly now: () => number;
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** Messages of a directory, oldest first. Only names that are new are looked at; what is known keeps its place. */
const createListing = (directory: string) => {
  let known = new Map<string, number>();
  return {
    read: async (): Promise<readonly string[]> => {
      const names = (await readdir(directory)).filter(isMessage);
      const next = new Map<string, number>();
      await Promise.all(
        names.map(async name => {
          const seen = known.get(name);
          const info = seen === undefined ? await stat(join(directory, name)).catch(() => undefined) : undefined;
          if (seen !== undefined) next.set(name, seen);
          else if (info?.isFile()) next.set(name, info.mtimeMs);
        }),
      );
      known = next;
      return [...next].sort(([a, left], [b, right]) => left - right || (a < b ? -1 : 1)).map(([name]) => name);
    },
    forget: (name: string) => known.delete(name),
  };
};

/**
 * A directory as a queue. A message is taken by renaming it into this runner's claims while the client's lock is held: of two
 * runners only one rename succeeds. Where a message's past stands beside it, it comes along after: a runner that dies in between
 * finds it again when the claim goes home.
 * Source: spec "Local directory".
 */
export const createDirectoryQueue = ({ root, name, runnerId, emit, now }: DirectoryQueueSettings): WorkQueue => {
  const queue = { kind: 'directory', name } as const;
  const paths = pathsOf(root, name, runnerId);
  const lock = createQueueLock(paths.queue, name, emit, now);
  const listing = createListing(paths.queue);

  const list = async (): Promise<readonly string[]> => {
    try {
      return await listing.read();
    } catch (error) {
      throw isMissing(error) ? new QueueGone(queue) : error;
    }
  };

  const claim = async (message: string): Promise<Delivery | undefined> => {
    const past = await readPastAt(paths.queue, message);
    try {
      await rename(join(paths.queue, message), join(paths.claims, message));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    } finally {
      listing.forget(message);
    }
    await rename(join(paths.queue, pastOf(message)), join(paths.claims, pastOf(message))).catch(() => undefined);
    return createDelivery({ queue, paths, name: message, past, now });
  };

  const takeOldest = async (): Promise<Delivery | undefined> => {
    await makeClaims(paths.claims);
    for (const message of await list()) {
      const delivery = await claim(message);
      if (delivery) return delivery;
    }
    return undefined;
  };

  return {
    ...queue,
    receive: async signal => {
      signal.throwIfAborted();
      if ((await list()).length === 0) return undefined;
      return lock.with(takeOldest);
    },
    wait: async signal => {
      for await (const _ of changesOf(paths.queue, signal, changed => changed === lockName || isMessage(changed))) {
        if ((await list()).length > 0 && !(await lock.isHeld())) return undefined;
      }
      signal.throwIfAborted();
      throw new QueueGone(queue);
    },
    depth: async () => (await list()).length,
    close: () => Promise.resolve(),
  };
};
