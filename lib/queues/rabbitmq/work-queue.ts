import type { Channel, ConsumeMessage, GetMessage } from 'amqplib';
import { asError, AttemptError } from '../../errors.ts';
import { createTurns, type InTurn } from '../../flow/in-turn.ts';
import { orAborted, sleep } from '../../flow/wait.ts';
import type { Delivery } from '../../model/delivery.ts';
import { QueueGone, type WorkQueue } from '../queue.ts';
import { alarm } from './alarm.ts';
import { isAccessRefused, isNotFound } from './channels.ts';
import type { Connection, LiveConnection } from './connection.ts';
import type { DeadLetterPolicy } from './dead-letter-policy.ts';
import { createDelivery } from './delivery.ts';
import { bindHome } from './lease/hold-in-lease.ts';
import type { Leases } from './lease/keeper.ts';
import { patience } from './patience.ts';
import { commitTransaction, selectTransactions } from './transaction.ts';

export interface WorkQueueSettings {
  readonly connection: Connection;
  readonly name: string;
  readonly leases: Leases;
  /** Where the queue's own policy sends dead letters. */
  readonly deadLetterPolicy: (signal: AbortSignal) => Promise<DeadLetterPolicy | undefined>;
  readonly now: () => number;
}

interface LiveChannel {
  readonly channel: Channel;
  readonly live: LiveConnection;
  /** One thing at a time: nothing may be said on a transactional channel while it commits. */
  readonly inTurn: InTurn;
  /** Whether what is taken on it can be leased: then it is transactional. */
  readonly leased: boolean;
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
export const createWorkQueue = (settings: WorkQueueSettings): WorkQueue => {
  const { connection, leases, name, deadLetterPolicy, now } = settings;
  const queue = { kind: 'rabbitmq', name } as const;
  let opened: Promise<LiveChannel> | undefined;
  const closing = new AbortController();

  const openChannel = async (live: LiveConnection, leased: boolean): Promise<LiveChannel> => {
    const channel = await live.model.createChannel();
    const ended = new AbortController();
    channel.on('error', (error: Error) => {
      ended.abort(error);
    });
    channel.on('close', () => {
      ended.abort(new Error('the channel was closed'));
    });
    await channel.prefetch(1);
    if (leased) {
      // So that they find home from a lease; a queue that comes again is bound again.
      await bindHome(channel, name);
      await selectTransactions(channel);
    }
    const inTurn = createTurns();
    return { channel, inTurn, live, leased, ended: AbortSignal.any([ended.signal, live.ended]), out: 0 };
  };

  // Not for one call: who gives up waiting for the channel leaves it to the next.
  const open = async (): Promise<LiveChannel> => {
    const live = await connection.current(closing.signal);
    const leased = await leases.offeredOn(live);
    return openChannel(live, leased).catch((error: unknown) => {
      if (!leased || !isAccessRefused(error)) throw error;
      return openChannel(live, false);
    });
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

  const closeIfUnused = async ({ channel, inTurn, ended, out }: LiveChannel): Promise<void> => {
    if (out > 0 || !closing.signal.aborted || ended.aborted) return;
    // A channel whose connection ends meanwhile never answers.
    const closed = inTurn(() => channel.close());
    await orAborted(closed, ended).catch(() => undefined);
  };

  /** Say something on a channel, and make it count. */
  const sayOn = async (one: LiveChannel, what: (channel: Channel) => void): Promise<void> => {
    const { channel, inTurn, leased, ended } = one;
    const said = inTurn(async () => {
      what(channel);
      if (leased) await commitTransaction(channel);
    });
    await orAborted(said, ended);
  };

  const giveBackOn = (one: LiveChannel) => (message: GetMessage | ConsumeMessage) => {
    void sayOn(one, channel => channel.nack(message, false, true)).catch(() => undefined);
  };

  const deliver = (message: GetMessage | ConsumeMessage, one: LiveChannel): Delivery => {
    const { channel, inTurn, live, leased, ended } = one;
    one.out += 1;
    return createDelivery({
      queue,
      message,
      connection,
      channel,
      inTurn,
      live,
      say: what => sayOn(one, what),
      leases: leased ? leases : undefined,
      ended,
      deadLetterPolicy,
      now,
      onSettled: () => {
        one.out -= 1;
        void closeIfUnused(one);
      },
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

  const check = ({ channel, inTurn }: LiveChannel, signal: AbortSignal) =>
    orAborted(
      inTurn(() => channel.checkQueue(name)),
      signal,
    );

  return {
    ...queue,
    receive: signal =>
      onChannel(signal, async one => {
        const message = await get(one, signal);
        return message === false ? undefined : deliver(message, one);
      }),
    wait: signal =>
      onChannel(signal, async one => {
        const { messageCount } = await check(one, signal);
        if (messageCount > 0) return undefined;
        const { channel, inTurn, live, leased, ended } = one;
        const message = await alarm({
          channel,
          inTurn,
          queue: name,
          giveBack: giveBackOn(one),
          arguments: leased ? {} : patience(live.model),
          ended,
          signal,
        });
        if (message === undefined) throw new QueueGone(queue);
        return deliver(message, one);
      }),
    depth: signal => onChannel(signal, async one => (await check(one, signal)).messageCount),
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
