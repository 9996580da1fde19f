import type { Channel, ConsumeMessage, Message } from 'amqplib';
import { asError } from '../../../errors.ts';
import { createTurns } from '../../../flow/in-turn.ts';
import { orAborted } from '../../../flow/wait.ts';
import type { LiveConnection } from '../connection.ts';
import { headerNames, publishOptions } from '../message.ts';
import { commitTransaction, selectTransactions } from '../transaction.ts';
import type { LeaseEntry } from './entry.ts';
import type { RunLocks } from './run-locks.ts';
import { leaseExchange, leaseQueueOf, returnExchange } from './topology.ts';

/** The leases' part of one connection: a channel on which the copies lie. When it ends, the connection ends. */
export interface LeaseSession {
  readonly live: LiveConnection;
  readonly locks: RunLocks;
  /** Aborts when the channel or its connection ends. */
  readonly ended: AbortSignal;
  /** Hold what lies in the two queues, and what comes into them. */
  consume(): Promise<void>;
  /** Publish and acknowledge, all or nothing, one after another. Rejects when it is not known whether it was done. */
  transact(burst: (channel: Channel) => void): Promise<void>;
  /** Give up the consumers and the channel; what is unacknowledged falls back into its queue. */
  leave(): Promise<void>;
}

export interface SessionSettings {
  readonly live: LiveConnection;
  readonly locks: RunLocks;
  readonly runner: string;
  /** A copy came. `late`: it lay in a queue for a while and has to be renewed at once. */
  readonly onCopy: (message: ConsumeMessage, session: LeaseSession, late: boolean) => void;
  /** A lease queue was deleted, with the copies in it. */
  readonly onQueueGone: () => void;
  /** A copy was published that no queue took. */
  readonly onReturn: (message: Message) => void;
}

/** Publish a fresh copy of a leased message; to be committed. */
export const publishLease = (channel: Channel, { parts, turn }: LeaseEntry): void => {
  const headers = { ...parts.headers, [headerNames.leaseTurn]: turn };
  channel.publish(leaseExchange, parts.queue, parts.body, publishOptions(parts.properties, headers));
};

/** Publish a copy to where it came from; to be committed. */
export const publishHome = (
  channel: Channel,
  queue: string,
  { content, properties }: Pick<ConsumeMessage, 'content' | 'properties'>,
  headers: Readonly<Record<string, unknown>>,
  expiration?: string,
): void => {
  channel.publish(returnExchange, queue, content, publishOptions(properties, headers, expiration));
};

export const openSession = async (settings: SessionSettings): Promise<LeaseSession> => {
  const { live, locks, runner, onCopy, onQueueGone, onReturn } = settings;
  const channel = await live.model.createChannel();
  const over = new AbortController();
  const ended = AbortSignal.any([over.signal, live.ended]);
  const inTurn = createTurns();
  let leaving = false;
  const end = (error: Error) => {
    over.abort(error);
    // Reopening is one path: the connection's.
    if (!leaving) live.fail(error);
  };
  channel.on('error', end);
  channel.on('close', () => {
    end(new Error('the channel of the leases was closed'));
  });
  channel.on('return', onReturn);
  await selectTransactions(channel);

  const session: LeaseSession = {
    live,
    locks,
    ended,
    consume: async () => {
      for (const part of ['held', 'waiting'] as const) {
        await channel.consume(leaseQueueOf(runner, part), message => {
          if (message) {
            onCopy(message, session, part === 'waiting' || message.fields.redelivered);
            return;
          }
          onQueueGone();
          end(new Error(`a queue of leases was deleted [part=${part}]`));
        });
      }
    },
    transact: burst =>
      inTurn(async () => {
        ended.throwIfAborted();
        burst(channel);
        try {
          await orAborted(commitTransaction(channel), ended);
        } catch (error) {
          end(asError(error));
          throw error;
        }
      }),
    leave: async () => {
      leaving = true;
      await inTurn(() => orAborted(channel.close(), live.ended));
    },
  };
  return session;
};
