import type { Channel, ConsumeMessage, GetMessage } from 'amqplib';
import { asError, AttemptError } from '../../errors.ts';
import { orAborted } from '../../flow/wait.ts';
import type { Delivery } from '../../model/delivery.ts';
import { QueueGone, type WorkQueue } from '../queue.ts';
import type { Connection, LiveConnection } from './connection.ts';
import { createDelivery } from './delivery.ts';

export interface WorkQueueSettings {
  readonly connection: Connection;
  readonly name: string;
  /** Whether the queue has a dead-letter policy of its own. */
  readonly hasDeadLetterPolicy: (signal: AbortSignal) => Promise<boolean>;
  readonly now: () => number;
}

interface LiveChannel {
  readonly channel: Channel;
  readonly live: LiveConnection;
  /** Aborts when the channel or its connection ends; the reason is what the broker said. */
  readonly ended: AbortSignal;
}

const notFound = 404;
const isNotFound = (error: unknown): boolean => (error as { code?: unknown } | undefined)?.code === notFound;

/**
 * One queue of RabbitMQ on a channel of its own: asking after a queue that was deleted closes the channel it is asked on, and
 * with it everything that channel holds.
 *
 * receive: `basic.get`, one message a credit. wait: a passive declare tells the ready count in one round trip; where it is 0 a
 * consumer with prefetch 1 is the alarm, cancelled at its first delivery. A consumer that stayed would hold a message that
 * this runner has no room for.
 */
export const createWorkQueue = ({ connection, name, hasDeadLetterPolicy, now }: WorkQueueSettings): WorkQueue => {
  const queue = { kind: 'rabbitmq', name } as const;
  let opened: Promise<LiveChannel> | undefined;
  let closed = false;

  const open = async (signal: AbortSignal): Promise<LiveChannel> => {
    const live = await connection.current(signal);
    const channel = await live.model.createChannel();
    const ended = new AbortController();
    channel.on('error', (error: Error) => {
      ended.abort(error);
    });
    channel.on('close', () => {
      ended.abort(new Error('the channel was closed'));
    });
    await channel.prefetch(1);
    return { channel, live, ended: AbortSignal.any([ended.signal, live.ended]) };
  };

  const current = async (signal: AbortSignal): Promise<LiveChannel> => {
    if (closed) throw new Error(`the queue was let go of [queue=${name}]`);
    const one = await (opened ??= open(signal)).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    if (!one.ended.aborted) return one;
    opened = undefined;
    return current(signal);
  };

  /** Do something on the channel; when the channel ends under it, do it again on the next one. */
  const onChannel = async <T>(signal: AbortSignal, work: (live: LiveChannel) => Promise<T>): Promise<T> => {
    for (;;) {
      signal.throwIfAborted();
      let live: LiveChannel | undefined;
      try {
        live = await orAborted(current(signal), signal);
        return await work(live);
      } catch (error) {
        signal.throwIfAborted();
        if (isNotFound(error) || isNotFound(live?.ended.reason)) throw new QueueGone(queue);
        // The connection comes back by itself; `current` waits for it.
        if (live ? live.ended.aborted || live.live.ended.aborted : isConnectionError(error)) continue;
        throw error;
      }
    }
  };

  const deliver = (message: GetMessage | ConsumeMessage, { channel, live, ended }: LiveChannel): Delivery =>
    createDelivery({ queue, message, channel, publisher: live.publisher, ended, hasDeadLetterPolicy, now });

  /** Resolves with the first message; anything that still comes after the cancel goes back. */
  const alarm = (one: LiveChannel, signal: AbortSignal): Promise<Delivery> =>
    new Promise((resolve, reject) => {
      const { channel, ended } = one;
      let tag: string | undefined;
      let done = false;
      const finish = (act: () => void) => {
        if (done) return;
        done = true;
        signal.removeEventListener('abort', onAbort);
        ended.removeEventListener('abort', onEnded);
        act();
        if (tag !== undefined && !ended.aborted) void channel.cancel(tag).catch(() => undefined);
      };
      const onAbort = () => {
        finish(() => {
          reject(signal.reason as Error);
        });
      };
      const onEnded = () => {
        finish(() => {
          reject(asError(ended.reason));
        });
      };
      signal.addEventListener('abort', onAbort, { once: true });
      ended.addEventListener('abort', onEnded, { once: true });
      channel
        .consume(name, message => {
          if (message === null) {
            finish(() => {
              reject(new QueueGone(queue));
            });
          } else if (done) {
            if (!ended.aborted) channel.nack(message, false, true);
          } else {
            finish(() => {
              resolve(deliver(message, one));
            });
          }
        })
        .then(
          ({ consumerTag }) => {
            tag = consumerTag;
            if (done && !ended.aborted) void channel.cancel(consumerTag).catch(() => undefined);
          },
          (error: unknown) => {
            finish(() => {
              reject(asError(error));
            });
          },
        );
    });

  return {
    ...queue,
    receive: signal =>
      onChannel(signal, async one => {
        const message = await one.channel.get(name);
        return message === false ? undefined : deliver(message, one);
      }),
    wait: signal =>
      onChannel(signal, async one => {
        const { messageCount } = await one.channel.checkQueue(name);
        return messageCount > 0 ? undefined : alarm(one, signal);
      }),
    depth: signal => onChannel(signal, async ({ channel }) => (await channel.checkQueue(name)).messageCount),
    close: async () => {
      closed = true;
      const one = await opened?.catch(() => undefined);
      if (one && !one.ended.aborted) await one.channel.close().catch(() => undefined);
    },
  };
};

/** What amqplib throws when the connection ended under a call. */
const isConnectionError = (error: unknown): boolean =>
  !(error instanceof AttemptError) &&
  /connection (closed|closing)|socket|ECONN|channel (closed|ended)/i.test(asError(error).message);
