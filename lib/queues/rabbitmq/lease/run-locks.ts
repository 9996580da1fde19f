import { createHash } from 'node:crypto';
import type { Channel, ChannelModel } from 'amqplib';
import { createTurns } from '../../../flow/in-turn.ts';

/** Locks that live as long as one connection. */
export interface RunLocks {
  /** Whether it is ours now. */
  take(lock: string): Promise<boolean>;
  /** Nothing is said to the broker of one that was not taken. */
  release(lock: string): Promise<void>;
}

const resourceLocked = 405;

const prefix = 'studioml.run.';
const hashOf = (text: string, length: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, length);

/** What the locks of all experiments of one queue begin with: so many of them run, on whatever runner. */
export const runLocksOf = (queue: string): string => `${prefix}${hashOf(queue, 16)}.`;

/** The lock of one experiment of one queue. */
export const runLockOf = (queue: string, key: string): string => runLocksOf(queue) + hashOf(`${queue}\n${key}`, 32);

/** The beginning that a lock has in common with those of its queue; undefined for a queue that is no lock. */
export const locksOfLock = (name: string): string | undefined =>
  name.startsWith(prefix) ? name.slice(0, name.lastIndexOf('.') + 1) : undefined;

/**
 * An exclusive queue as a lock: it belongs to the connection that declared it, and goes with it. One channel serves all; the
 * broker closes it whenever a lock is somebody else's, so one is asked for at a time.
 */
export const createRunLocks = (model: ChannelModel): RunLocks => {
  let opened: Promise<Channel> | undefined;
  const inTurn = createTurns();
  const ours = new Set<string>();

  const open = async (): Promise<Channel> => {
    const channel = await model.createChannel();
    channel.on('error', () => undefined);
    channel.on('close', () => {
      opened = undefined;
    });
    return channel;
  };
  const channelOf = async (): Promise<Channel> => {
    const opening = (opened ??= open());
    return opening.catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
  };

  return {
    take: lock =>
      inTurn(async () => {
        const channel = await channelOf();
        try {
          await channel.assertQueue(lock, { exclusive: true, durable: false });
          ours.add(lock);
          return true;
        } catch (error) {
          if ((error as { code?: unknown }).code === resourceLocked) return false;
          throw error;
        }
      }),
    release: lock =>
      inTurn(async () => {
        if (!ours.delete(lock)) return;
        const channel = await channelOf();
        await channel.deleteQueue(lock);
      }),
  };
};
