import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { createGrowingDelays } from '../../flow/growing-delay.ts';
import type { Delivery } from '../../model/delivery.ts';
import type { Emit } from '../../telemetry/events.ts';
import { QueueGone, type WorkQueue } from '../queue.ts';
import { makeClaims, type ClaimsKeeper } from './claims.ts';
import { createDelivery } from './delivery.ts';
import { bringHome, movePast } from './home.ts';
import { createListing } from './listing.ts';
import { createQueueLock } from './lock.ts';
import { claimName, isMessage, isMissing, lockName, pathsOf } from './paths.ts';
import { changesOf } from './watch.ts';

export interface DirectoryQueueSettings {
  readonly root: string;
  readonly name: string;
  readonly runnerId: string;
  readonly claims: ClaimsKeeper;
  readonly maxMessageBytes: number;
  readonly emit: Emit;
  readonly now: () => number;
}

/**
 * A directory as a queue. A message is taken by renaming it into this runner's claims while the client's lock is held: of two
 * runners only one rename succeeds. Only then what travels with it is fetched, so that it is never older than the message. A
 * runner that dies in between leaves it in the queue, where the message finds it when it comes home. One that this runner can't read
 * goes home as well: it is left to others for a growing delay, and holds up nothing behind it.
 * Source: spec "Local directory".
 */
export const createDirectoryQueue = (settings: DirectoryQueueSettings): WorkQueue => {
  const { root, name, runnerId, claims, maxMessageBytes, emit, now } = settings;
  const queue = { kind: 'directory', name } as const;
  const paths = pathsOf(root, name, runnerId);
  const lock = createQueueLock(paths.queue, name, emit, now);
  const listing = createListing(paths.queue);
  /** Messages that could not be read, by name. */
  const unreadable = createGrowingDelays(1000, 300_000, 10);
  const isDue = (message: string) => unreadable.remaining(message, now()) === 0;

  const unlessGone = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw isMissing(error) ? new QueueGone(queue) : error;
    }
  };
  const list = async () => (await unlessGone(() => listing.read())).filter(isDue);

  const take = async (message: string): Promise<Delivery | undefined> => {
    const claim = claimName(message, claims.nextNumber());
    try {
      await rename(join(paths.queue, message), join(paths.claims, claim));
    } catch (error) {
      if (!isMissing(error)) throw error;
      // Somebody else was quicker.
      unreadable.reset(message);
      return undefined;
    } finally {
      listing.forget(message);
    }
    await movePast(paths.queue, message, paths.claims, claim);
    try {
      const delivery = await createDelivery({ queue, paths, claim, claims, maxMessageBytes, now });
      unreadable.reset(message);
      return delivery;
    } catch (error) {
      const told = {
        path: join(paths.queue, message),
        expected: 'a file that the user of this runner may read',
        error: messageOf(error),
        retryMs: unreadable.next(message, now()),
      };
      emit('message-unreadable', told, { queue: name });
      await bringHome(paths.claims, paths.queue, claim);
      return undefined;
    }
  };

  const takeFirst = async (messages: readonly string[]): Promise<Delivery | undefined> => {
    for (const message of messages) {
      const delivery = await take(message);
      if (delivery) return delivery;
    }
    return undefined;
  };

  return {
    ...queue,
    receive: async signal => {
      signal.throwIfAborted();
      const messages = (await unlessGone(() => listing.recent())).filter(isDue);
      if (messages.length === 0) return undefined;
      return unlessGone(() =>
        lock.with(async () => {
          await makeClaims(paths.claims);
          return (await takeFirst(messages)) ?? takeFirst(await list());
        }),
      );
    },
    wait: async signal => {
      for await (const _ of changesOf(paths.queue, signal, changed => changed === lockName || isMessage(changed))) {
        if ((await list()).length > 0 && !(await lock.isHeld())) return undefined;
      }
      throw signal.reason;
    },
    depth: async () => (await unlessGone(() => listing.read())).length,
    close: () => Promise.resolve(),
  };
};
