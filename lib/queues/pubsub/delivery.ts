import type { QueueName } from '../../model/delivery.ts';
import { attributeNames } from '../attribute-names.ts';
import { createHeldDelivery, type HeldDelivery, type MessageCalls } from '../held-delivery.ts';
import type { Past } from '../history.ts';
import { acknowledge, createPair, keep, publish, type Received } from './calls.ts';
import type { PubsubAccount } from './clients.ts';
import { copyOf, pastOf, publishedAtMs, short } from './copies.ts';
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
  readonly onLeft: (delivery: HeldDelivery) => void;
}

/** Where dead letters go that have no policy of their own: a topic and a subscription. Never taken for work. */
export const deadSuffix = '_dead';

/**
 * A message of Pub/Sub, held by its ack deadline.
 * Deliveries are counted only where a subscription has a dead-letter policy, and then those that were given back too: a release
 * there is a copy, whose count starts anew, and a count above one tells of holders that never settled.
 */
export const createDelivery = (settings: DeliverySettings): HeldDelivery => {
  const { queue, found, received, receivedAtMs, visibilityMs, onLeft, now } = settings;
  const { account, leases, project, home, subscription, topic, deadLetterTopic } = found;
  const original: Receipt = { subscription, ackId: received.ackId ?? '', receivedAtMs };
  const deliveries = Math.max(1, received.deliveryAttempt ?? 1);
  const told = pastOf(received);
  const past: Past = { ...told, attempts: told.attempts + deliveries - 1 };

  const send = (target: string, state: Past, signal: AbortSignal, added: Readonly<Record<string, string>> = {}) =>
    account.persist(
      (clients, options) => publish(clients, options, target, copyOf(received, state, added)),
      { signal },
      ['queue-gone', 'denied', 'refused'],
    );
  const deadTopic = async (signal: AbortSignal): Promise<string> => {
    if (deadLetterTopic !== undefined) return deadLetterTopic;
    const name = home + deadSuffix;
    await account.persist((clients, options) => createPair(clients, options, name), { signal }, ['denied', 'refused']);
    return `projects/${project}/topics/${name}`;
  };

  const calls: MessageCalls<Receipt> = {
    extend: ({ subscription: from, ackId }, signal) =>
      account.call((clients, options) => keep(clients, options, from, ackId, Math.ceil(visibilityMs / 1000)), {
        signal,
      }),
    remove: ({ subscription: from, ackId }, signal, onUnanswered) =>
      account.persist((clients, options) => acknowledge(clients, options, from, ackId), { signal, onUnanswered }),
    sendHome: (state, signal) => send(topic, state, signal),
    show: (_, signal) =>
      account.persist((clients, options) => keep(clients, options, subscription, original.ackId, 0), { signal }),
    isReleasedAsCopy: () => Promise.resolve(deadLetterTopic !== undefined),
    bury: async ({ reason, message, history }, { attempts }, signal) =>
      send(await deadTopic(signal), { attempts, history }, signal, {
        [attributeNames.queue]: home,
        [attributeNames.reason]: reason,
        [attributeNames.message]: short(message),
      }),
    lease: (state, signal) => leases.move(received, state, subscription, signal),
    left: receipt => {
      leases.left(receipt);
    },
    discard: receipt => {
      leases.discard(receipt);
    },
  };

  return createHeldDelivery({
    queue,
    id: received.message?.messageId ?? '',
    body: copyOf(received, past).data,
    past,
    sentAtMs: publishedAtMs(received),
    received: original,
    calls,
    faultOf,
    visibilityMs,
    // A deadline can be moved on without end.
    ceilingMs: Infinity,
    remedy: `let the account create and publish to ${home}${deadSuffix} in ${project}, or give ${home} a dead-letter policy whose topic it may publish to`,
    onLeft,
    now,
  });
};
