import type { Channel, ConsumeMessage, GetMessage } from 'amqplib';
import { asError, AttemptError } from '../../errors.ts';
import type { Limit } from '../../flow/limit.ts';
import { orAborted, sleep } from '../../flow/wait.ts';
import type { Delivery } from '../../model/delivery.ts';
import { QueueGone, type WorkQueue } from '../queue.ts';
import { AlarmLost, type AlarmChannel, type Alarms } from './alarms.ts';
import { isNotFound, onThrowAwayChannel } from './channels.ts';
import type { Connection, LiveConnection } from './connection.ts';
import { createDelivery } from './delivery.ts';
import type { SpareChannels } from './spare-channels.ts';

export interface WorkQueueSettings {
  readonly connection: Connection;
  readonly name: string;
  /** Whether the queue has a dead-letter policy of its own. */
  readonly hasDeadLetterPolicy: (signal: AbortSignal) => Promise<boolean>;
  readonly now: () => number;
  /** Where empty queues are waited for. */
  readonly alarms: Alarms;
  /** Where a queue that only waits leaves its channel. */
  readonly spares: SpareChannels<LiveChannel>;
  /** How many queues are asked after at once: a thousand that come at once must not open a thousand channels. */
  readonly asking: Limit;
}

export interface LiveChannel {
  readonly channel: Channel;
  readonly live: LiveConnection;
  /** Aborts when the channel or its connection ends; the reason is what the broker said. */
  readonly ended: AbortSignal;
  /** Deliveries that are out and need the channel. */
  out: number;
  /** A delivery was settled. */
  settled: () => void;
}

/** Before an operation is tried again on the next channel, ms. */
const againMs = 20;

/**
 * One queue of RabbitMQ. What it asks and holds is on a channel of its own: asking after a queue that was deleted closes the channel
 * it is asked on, and with it everything that channel holds. While it only waits it has none.
 *
 * receive: `basic.get`, one message a credit. wait: a passive declare tells the ready count in one round trip; where it is 0 a
 * consumer with prefetch 1 is the alarm, cancelled at its first delivery. A consumer that stayed would hold a message that
 * this runner has no room for. Alarms of many queues share channels (alarms.ts).
 */
export const createWorkQueue = (settings: WorkQueueSettings): WorkQueue => {
  const { connection, name, hasDeadLetterPolicy, now, alarms, spares, asking } = settings;
  const queue = { kind: 'rabbitmq', name } as const;
  let opened: Promise<LiveChannel> | undefined;
  const closing = new AbortController();
  /** The broker said that the queue is not there: what is held of it on other channels is nobody's any more. */
  const gone = new AbortController();

  // Not for one call: who gives up waiting for the channel leaves it to the next.
  const open = async (): Promise<LiveChannel> => {
    const live = await connection.current(closing.signal);
    const spare = spares.take(live);
    if (spare) return mine(spare);
    const channel = await live.model.createChannel();
    const ended = new AbortController();
    channel.on('error', (error: Error) => {
      ended.abort(error);
    });
    channel.on('close', () => {
      ended.abort(new Error('the channel was closed'));
    });
    const signal = AbortSignal.any([ended.signal, live.ended]);
    return mine({ channel, live, ended: signal, out: 0, settled: () => undefined });
  };

  const mine = (one: LiveChannel): LiveChannel => {
    one.settled = () => {
      one.out -= 1;
      void closeIfUnused(one);
    };
    return one;
  };

  /** From here on the queue only waits: where its channel holds nothing, others may have it. */
  const park = (one: LiveChannel) => {
    if (one.out > 0 || closing.signal.aborted) return;
    opened = undefined;
    spares.park(one);
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
        if (isNotFound(error) || isNotFound(live?.ended.reason)) {
          gone.abort(isNotFound(error) ? error : live?.ended.reason);
          throw new QueueGone(queue);
        }
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

  /** @param one counts this delivery already */
  const deliver = (message: GetMessage | ConsumeMessage, one: LiveChannel | AlarmChannel): Delivery => {
    const { channel, live } = one;
    return createDelivery({
      queue,
      message,
      channel,
      publisher: () => live.publisher(),
      declareDead: async dead => {
        await onThrowAwayChannel(live.model, asking => asking.assertQueue(dead, { durable: true }));
      },
      ended: AbortSignal.any([one.ended, gone.signal]),
      hasDeadLetterPolicy,
      now,
      onSettled: one.settled,
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

  /** The connection on which the queue was seen empty; undefined where it has messages. */
  const empty = (signal: AbortSignal): Promise<LiveConnection | undefined> =>
    onChannel(signal, async one => {
      const { messageCount } = await orAborted(one.channel.checkQueue(name), signal);
      park(one);
      return messageCount > 0 ? undefined : one.live;
    });

  return {
    ...queue,
    receive: signal =>
      onChannel(signal, async one => {
        const message = await get(one, signal);
        if (message === false) return undefined;
        one.out += 1;
        return deliver(message, one);
      }),
    wait: async signal => {
      for (;;) {
        const live = await asking(() => empty(signal));
        if (live === undefined) return undefined;
        try {
          const rung = await alarms.wait(live, name, signal);
          if (rung === undefined) throw new QueueGone(queue);
          return deliver(rung.message, rung.one);
        } catch (error) {
          signal.throwIfAborted();
          if (!(error instanceof AlarmLost) && !live.ended.aborted) throw error;
          await sleep(againMs, signal);
        }
      }
    },
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
