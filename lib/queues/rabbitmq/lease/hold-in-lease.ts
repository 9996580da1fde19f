import type { Channel } from 'amqplib';
import { within } from '../../../flow/wait.ts';
import { isNotFound, onConnection, onThrowAwayChannel } from '../channels.ts';
import type { HeldMessage, Hold } from '../hold.ts';
import { originalExpiration, originalHeaders, type Headers } from '../message.ts';
import { placeLetter } from '../../place-letter.ts';
import { publishLetter, remedyFor } from '../publish.ts';
import type { LeaseEntry } from './entry.ts';
import type { Leases } from './keeper.ts';
import { publishHome } from './session.ts';
import { returnExchange } from './topology.ts';

/** How long a settlement waits for a broker that is away, ms. After that the message comes home by its lease. */
const patienceMs = 5 * 60_000;
/** A message that is given back comes home by itself as well. */
const releasePatienceMs = 10_000;

/** Make sure that a queue's messages find home; where it was deleted they become dead letters. */
export const bindHome = (channel: Channel, queue: string): Promise<unknown> =>
  channel.bindQueue(queue, returnExchange, queue);

/** A message whose copy is held in a lease. */
export const holdInLease = (held: HeldMessage, leases: Leases, entry: LeaseEntry): Hold => {
  const { queue, message, connection } = held;
  const expiration = originalExpiration(message.properties);
  const home = (headers: Headers) => (channel: Channel) =>
    publishHome(channel, queue.name, message, headers, expiration);
  /** Something beside the copy itself, on whatever connection there is. */
  const beside = (work: Parameters<typeof onConnection<void>>[2]): Promise<void> =>
    within(patienceMs, signal => onConnection(connection, signal, work), entry.lost);
  const rebind = () =>
    beside(async live => {
      await onThrowAwayChannel(live.model, channel => bindHome(channel, queue.name)).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    });

  return {
    lost: entry.lost,
    accept: () => leases.settle(entry, patienceMs),
    release: (headers = originalHeaders(message.properties.headers)) =>
      leases.settle(entry, releasePatienceMs, home(headers)),
    retry: async headers => {
      // A copy that finds no home becomes a dead letter; one that is not settled would be held for ever.
      const waitMs = await rebind().then(
        () => patienceMs,
        () => releasePatienceMs,
      );
      await leases.settle(entry, waitMs, home(headers));
    },
    reject: async (letter, back) => {
      await placeLetter({
        place: () => beside((live, signal) => publishLetter(live, held, letter, signal)),
        giveBack: () => leases.settle(entry, releasePatienceMs, home(back)),
        remedy: remedyFor(queue.name),
      });
      await leases.settle(entry, patienceMs);
    },
    drop: async () => {
      // Lost, and nothing is there to drop; or its queue was deleted, and it goes the same way.
      await leases.settle(entry, releasePatienceMs).catch(() => undefined);
    },
  };
};
