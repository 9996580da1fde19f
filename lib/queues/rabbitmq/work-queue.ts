import type { Channel, ConsumeMessage, GetMessage } from 'amqplib';
import { asError, AttemptError } from '../../errors.ts';
import { orAborted, sleep } from '../../flow/wait.ts';
import type { Delivery } from '../../model/delivery.ts';
import { QueueGone, type WorkQueue } from '../queue.ts';
import { alarm } from './alarm.ts';
import { isNotFound, onThrowAwayChannel } from './channels.ts';
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
  /** Deliveries that are out and need the channel. */
  out: number;
}

/** Before an operation is tried again on the next channel, ms. */
const againMs = 20;

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
  const closing = new AbortController();

  // Not for one call: who gives up waiting for the channel leaves it to the next.
  const open = async (): Promise<LiveChannel> => {
    const live = await connection.current(closing.signal);
    const channel = await live.model.createChannel();
    const ended = new AbortController();
    channel.on('error', (error: Error) => {
      ended.abort(error);
    });
    channel.on('close', () => {
      ended.abort(new Error('the channel was closed'));
    });
    await channel.prefetch(1);
    return { channel, live, ended: AbortSignal.any([ended.signal, live.ended]), out: 0 };
  };

  const current = async (): Promise<LiveChannel> => {
    closing.signal.throwIfAborted();
    const opening = (opened ??= open());
    const forget = () => {
      if (opened === opening) opened = undefined;
    };
    const one = await opening.catch((error: unknown) => {
      forget();
      throw error;
    });
    if (!one.ended.aborted) return one;
    forget();
    return current();
  };

  /** Do something on the channel; when the channel ends under it, do it again on the next one. */
  const onChannel = async <T>(signal: AbortSignal, work: (live: LiveChannel) => Promise<T>): Promise<T> => {
    for (;;) {
      signal.throwIfAborted();
      let live: LiveChannel | undefined;
      try {
        live = await orAborted(current(), signal);
        signal.throwIfAborted();
        return await work(live);
      } catch (error) {
        signal.throwIfAborted();
        if (isNotFound(error) || isNotFound(live?.ended.reason)) throw new QueueGone(queue);
        // The connection comes back by itself; `current` waits for it.
        if (live ? live.ended.aborted || live.live.ended.aborted : isConnectionError(error)) {
          await sleep(againMs, signal);
          continue;
        }
        throw error;
      }
    }
  };

  const closeIfUnused = async ({ channel, ended, out }: LiveChannel): Promise<void> => {
    if (out > 0 || !closing.signal.aborted || ended.aborted) return;
    // A channel whose connection ends meanwhile never answers.
    await orAborted(channel.close(), ended).catch(() => undefined);
  };

  const deliver = (message: GetMessage | ConsumeMessage, one: LiveChannel): Delivery => {
    const { channel, live, ended } = one;
    one.out += 1;
    return createDelivery({
      queue,
      message,
      channel,
      publisher: () => live.publisher(),
      declareDead: async dead => {
        await onThrowAwayChannel(live.model, asking => asking.assertQueue(dead, { durable: true }));
      },
      ended,
      hasDeadLetterPolicy,
      now,
      onSettled: () => {
        one.out -= 1;
        void closeIfUnused(one);
      },
    });
  };

  /** One message; where the caller gave up before the broker answered, it goes back. */
  const get = ({ channel, ended }: LiveChannel, signal: AbortSignal): Promise<GetMessage | false> =>
    new Promise((resolve, reject) => {
      let left = false;
      const onAbort = () => {
        left = true;
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      channel
        .get(name)
        .then(message => {
          if (!left) resolve(message);
          else if (message !== false && !ended.aborted) channel.nack(message, false, true);
        }, reject)
        .finally(() => {
          signal.removeEventListener('abort', onAbort);
        });
    });

  return {
    ...queue,
    receive: signal =>
      onChannel(signal, async one => {
        const message = await get(one, signal);
        return message === false ? undefined : deliver(message, one);
      }),
    wait: signal =>
      onChannel(signal, async one => {
        const { messageCount } = await orAborted(one.channel.checkQueue(name), signal);
        if (messageCount > 0) return undefined;
        const message = await alarm({ channel: one.channel, queue: name, ended: one.ended, signal });
        if (message === undefined) throw new QueueGone(queue);
        return deliver(message, one);
      }),
    depth: signal =>
      onChannel(signal, async ({ channel }) => (await orAborted(channel.checkQueue(name), signal)).messageCount),
    close: async () => {
      closing.abort(new Error(`the queue was let go of [queue=${name}]`));
      const one = await opened?.catch(() => undefined);
      if (one) await closeIfUnused(one);
    },
  };
};

/** What amqplib throws when the connection ended under a call. */
const isConnectionError = (error: unknown): boolean =>
  !(error instanceof AttemptError) &&
  /connection (closed|closing)|socket|ECONN|channel (closed|ended)/i.test(asError(error).message);
