import type { ConsumeMessage, GetMessage } from 'amqplib';
import { asError, AttemptError } from '../../errors.ts';
import type { Limit } from '../../flow/limit.ts';
import { orAborted, sleep } from '../../flow/wait.ts';
import type { Delivery } from '../../model/delivery.ts';
import { QueueGone, type WorkQueue } from '../queue.ts';
import { AlarmLost, type AlarmChannel, type Alarms } from './alarms.ts';
import { isNotFound } from './channels.ts';
import type { Connection, LiveConnection } from './connection.ts';
import type { DeadLetterPolicy } from './dead-letter-policy.ts';
import { createDelivery } from './delivery.ts';
import { createHomeBinding } from './lease/home-binding.ts';
import type { Leases } from './lease/keeper.ts';
import type { Patience } from './patience.ts';
import type { SpareChannels } from './spare-channels.ts';
import { closeWorkChannel, giveBackOn, openWorkChannel, sayOn, type WorkChannel } from './work-channel.ts';

export interface WorkQueueSettings {
  readonly connection: Connection;
  readonly name: string;
  readonly leases: Leases;
  /** Where the queue's own policy sends dead letters. */
  readonly deadLetterPolicy: (signal: AbortSignal) => Promise<DeadLetterPolicy | undefined>;
  readonly now: () => number;
  /** Where empty queues are waited for. */
  readonly alarms: Alarms;
  /** Where a queue that only waits leaves its channel. */
  readonly spares: SpareChannels<LiveChannel>;
  /** Of the broker, with what can't be leased. */
  readonly patience: Patience;
  /** How many queues are asked after at once: a thousand that come at once must not open a thousand channels. */
  readonly asking: Limit;
}

export interface LiveChannel extends WorkChannel {
  /** Deliveries that are out and need the channel. */
  out: number;
  /** A delivery needs the channel no longer. */
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
  const { connection, leases, name, deadLetterPolicy, now, alarms, spares, patience, asking } = settings;
  const queue = { kind: 'rabbitmq', name } as const;
  const findsHome = createHomeBinding(name);
  let opened: Promise<LiveChannel> | undefined;
  const closing = new AbortController();
  /** The broker said that the queue is not there: what is held of it on other channels is nobody's any more. */
  const gone = new AbortController();

  // Not for one call: who gives up waiting for the channel leaves it to the next.
  const open = async (): Promise<LiveChannel> => {
    const live = await connection.current(closing.signal);
    const one = spares.take(live) ?? {
      ...(await openWorkChannel(live, leases)),
      out: 0,
      settled: () => undefined,
    };
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

  const closeIfUnused = async (one: LiveChannel): Promise<void> => {
    if (one.out === 0 && closing.signal.aborted) await closeWorkChannel(one);
  };

  /** @param one counts this delivery already */
  const deliver = async (message: GetMessage | ConsumeMessage, one: LiveChannel | AlarmChannel): Promise<Delivery> => {
    const { channel, inTurn, live, leased } = one;
    return createDelivery({
      queue,
      message,
      connection,
      channel,
      inTurn,
      live,
      say: what => sayOn(one, what),
      leases: leased && (await findsHome(live)) ? leases : undefined,
      ended: AbortSignal.any([one.ended, gone.signal]),
      deadLetterPolicy,
      now,
      patience,
      onSettled: one.settled,
    });
  };

  /** One message; where the caller gave up before the broker answered, it goes back. */
  const get = (one: LiveChannel, signal: AbortSignal): Promise<GetMessage | false> =>
    new Promise((resolve, reject) => {
      let left = false;
      const onAbort = () => {
        left = true;
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      one
        .inTurn(() => one.channel.get(name))
        .then(message => {
          if (!left) resolve(message);
          else if (message !== false && !one.ended.aborted) giveBackOn(one)(message);
        }, reject)
        .finally(() => {
          signal.removeEventListener('abort', onAbort);
        });
    });

  const readyCount = async ({ channel, inTurn }: LiveChannel, signal: AbortSignal): Promise<number> => {
    const asked = inTurn(() => channel.checkQueue(name));
    return (await orAborted(asked, signal)).messageCount;
  };

  /** The connection on which the queue was seen empty; undefined where it has messages. */
  const empty = (signal: AbortSignal): Promise<LiveConnection | undefined> =>
    onChannel(signal, async one => {
      const count = await readyCount(one, signal);
      park(one);
      return count > 0 ? undefined : one.live;
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
        if (alarms.isQuiet) {
          await alarms.rest(signal);
          continue;
        }
        try {
          const rung = await alarms.wait(live, name, signal);
          if (rung === undefined) throw new QueueGone(queue);
          return await deliver(rung.message, rung.one);
        } catch (error) {
          signal.throwIfAborted();
          if (!(error instanceof AlarmLost) && !live.ended.aborted) throw error;
          await sleep(againMs, signal);
        }
      }
    },
    depth: signal => onChannel(signal, one => readyCount(one, signal)),
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
