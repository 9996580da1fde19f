import { AttemptError, messageOf } from '../../errors.ts';
import type { Delivery, QueueName } from '../../model/delivery.ts';
import type { Settlement } from '../../model/outcome.ts';
import type { Past } from '../history.ts';
import { createHold } from '../hold.ts';
import { acknowledge, createPair, keep, publish, type Received } from './calls.ts';
import type { PubsubAccount } from './clients.ts';
import { attributeNames } from '../attribute-names.ts';
import { copyOf, pastOf, short } from './copies.ts';
import { faultOf } from './faults.ts';
import type { LeaseTopic, Receipt } from './lease-topic.ts';

/** A subscription as discovery found it. */
export interface FoundSubscription {
  readonly account: PubsubAccount;
  readonly leases: LeaseTopic;
  readonly project: string;
  /** Its short name, and its full name. */
  readonly home: string;
  readonly subscription: string;
  readonly topic: string;
  /** The topic of its own dead-letter policy. */
  readonly deadLetterTopic: string | undefined;
}

export interface DeliverySettings {
  readonly queue: QueueName;
  readonly found: FoundSubscription;
  readonly received: Received;
  readonly receivedAtMs: number;
  readonly visibilityMs: number;
  readonly now: () => number;
  /** Called once, when nothing is held any more. */
  readonly onLeft: (delivery: PubsubDelivery) => void;
}

/** A delivery that its driver can give back. */
export interface PubsubDelivery extends Delivery {
  /** Give it back as it is, counted where it was begun: for a runner that lets go of everything. */
  letGo(): Promise<void>;
}

/** Where dead letters go that have no policy of their own: a topic and a subscription. Never taken for work. */
export const deadSuffix = '_dead';

/**
 * A message that is held by its ack deadline. Until it is begun that is the message itself; from then on a copy on the runner's
 * own topic that says which attempt it is.
 *
 *   accept   acknowledge it
 *   release  not begun: a deadline of 0 | begun: publish a copy that says nothing of the attempt, acknowledge it
 *   retry    publish a copy with number and history, acknowledge it
 *   reject   publish a copy on the dead-letter topic, acknowledge it
 *
 * Pub/Sub counts deliveries only where a subscription has a dead-letter policy, and then those that were given back too: a
 * release there is a copy, whose count starts anew, and a count above one tells of holders that never settled.
 */
export const createDelivery = (settings: DeliverySettings): PubsubDelivery => {
  const { queue, found, received, receivedAtMs, visibilityMs, now } = settings;
  const { account, leases, project, home, subscription, topic, deadLetterTopic } = found;
  const original: Receipt = { subscription, ackId: received.ackId ?? '', receivedAtMs };
  const deliveries = Math.max(1, received.deliveryAttempt ?? 1);
  const told = pastOf(received);
  const past: Past = { ...told, attempts: told.attempts + deliveries - 1 };
  let begun = past;
  let settled = false;
  const id = received.message?.messageId ?? '';
  const where = { queue: queue.name, message: id };

  const remove = (receipt: Receipt, signal: AbortSignal) =>
    account.persist((clients, options) => acknowledge(clients, options, receipt.subscription, receipt.ackId), {
      signal,
    });
  const send = (target: string, state: Past, signal: AbortSignal, added: Readonly<Record<string, string>> = {}) =>
    account.persist(
      (clients, options) => publish(clients, options, target, copyOf(received, state, added)),
      { signal },
      ['queue-gone', 'denied', 'refused'],
    );

  const moveInto = async (state: Past, signal: AbortSignal): Promise<Receipt | undefined> => {
    const before = hold.receipt;
    const fresh = await leases.move(received, state, subscription, signal);
    if (!fresh) return undefined;
    try {
      await remove(before, signal);
    } catch (error) {
      // Whoever has the original now must find no second one.
      await remove(fresh, AbortSignal.timeout(Math.ceil(visibilityMs / 3))).catch(() => undefined);
      leases.left();
      throw error;
    }
    return fresh;
  };

  const hold = createHold({
    queue: queue.name,
    receipt: original,
    extend: (receipt, signal) =>
      account.call(
        (clients, options) =>
          keep(clients, options, receipt.subscription, receipt.ackId, Math.ceil(visibilityMs / 1000)),
        { signal },
      ),
    faultOf,
    visibilityMs,
    // A deadline can be moved on without end.
    ceilingMs: Infinity,
    renew: () => Promise.resolve(undefined),
    now,
  });
  const moved = () => hold.receipt !== original;
  const giveBack = (signal: AbortSignal) =>
    account.persist((clients, options) => keep(clients, options, subscription, hold.receipt.ackId, 0), { signal });

  const deadTopic = async (signal: AbortSignal): Promise<string> => {
    if (deadLetterTopic !== undefined) return deadLetterTopic;
    const name = home + deadSuffix;
    await account.persist((clients, options) => createPair(clients, options, name), { signal }, ['denied', 'refused']);
    return `projects/${project}/topics/${name}`;
  };

  const apply = async (settlement: Exclude<Settlement, { type: 'none' }>, signal: AbortSignal): Promise<void> => {
    switch (settlement.type) {
      case 'accept':
        break;
      case 'release':
        if (!moved() && deadLetterTopic === undefined) {
          await giveBack(signal);
          return;
        }
        await send(topic, past, signal);
        break;
      case 'retry':
        await send(topic, { attempts: settlement.attempt, history: settlement.history }, signal);
        break;
      case 'reject':
        await send(await deadTopic(signal), { attempts: past.attempts, history: settlement.history }, signal, {
          [attributeNames.queue]: home,
          [attributeNames.reason]: settlement.reason,
          [attributeNames.message]: short(settlement.message),
        });
        break;
      default:
        settlement satisfies never;
    }
    await remove(hold.receipt, signal);
  };

  /** Stop holding it, having done `last` in the time that is left. */
  const end = async (last: (signal: AbortSignal) => Promise<void>): Promise<void> => {
    settled = true;
    await hold.stop();
    try {
      if (hold.lost.aborted) throw new Error('the message is not held any more', { cause: hold.lost.reason });
      await last(AbortSignal.timeout(Math.max(1, hold.untilMs - now())));
    } finally {
      if (moved()) leases.left();
      settings.onLeft(delivery);
    }
  };

  const delivery: PubsubDelivery = {
    queue,
    id,
    body: copyOf(received, past).data,
    attemptsBefore: past.attempts,
    history: past.history,
    receivedAtMs,
    lost: hold.lost,
    begin: async attempt => {
      begun = { attempts: attempt, history: past.history };
      try {
        await hold.exchange(signal => moveInto(begun, signal));
      } catch (error) {
        hold.lost.throwIfAborted();
        const why = messageOf(error);
        throw new AttemptError(
          'broker-fault',
          'the message could not be marked as begun',
          { ...where, why },
          { cause: error },
        );
      }
    },
    settle: async settlement => {
      if (settled) throw new Error(`a message was settled twice [queue=${queue.name}, message=${id}]`);
      if (settlement.type !== 'none') return end(signal => apply(settlement, signal));
      // What is held and has no home any more (its subscription was deleted) must not be brought there.
      await end(async signal => {
        if (moved()) await remove(hold.receipt, signal);
      }).catch(() => undefined);
    },
    letGo: async () => {
      if (settled) return;
      await end(async signal => {
        if (moved()) {
          await send(topic, begun, signal);
          await remove(hold.receipt, signal);
        } else await giveBack(signal);
      }).catch(() => undefined);
      hold.lose(new AttemptError('lease-lost', 'the runner lets go of its queues', where));
    },
  };
  return delivery;
};
