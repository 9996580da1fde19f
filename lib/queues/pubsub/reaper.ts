import type { Emit } from '../../telemetry/events.ts';
import type { Call } from '../account.ts';
import { acknowledge, keep, publish, pull, removePair, type Received } from './calls.ts';
import type { Clients, PubsubAccount } from './clients.ts';
import { attributeNames } from '../attribute-names.ts';
import { deathOf, reapInTurn } from '../reaping.ts';
import { attributesOf, copyOf, pastOf, publishedAtMs } from './copies.ts';
import { faultOf } from './faults.ts';
import type { LeaseTopic } from './lease-topic.ts';

export interface ReaperSettings {
  readonly account: PubsubAccount;
  /** Lease subscriptions of all runners, full names. */
  readonly subscriptions: () => readonly string[];
  /** This runner's own. */
  readonly own: Pick<LeaseTopic, 'claimOf'> & { readonly name: string };
  /** Where messages of a subscription are published; undefined where it is not there any more. */
  readonly topicOf: (subscription: string) => string | undefined;
  readonly leaseMs: number;
  readonly emit: Emit;
  readonly now: () => number;
}

/** A lease topic where nothing came free for so long belongs to nobody: its messages would have lapsed, ms. */
const unusedMs = 8 * 86_400_000;

/**
 * Bring home what runners that died had begun, and what this one could not keep, for it may be the only one: what is free in a lease
 * subscription has lapsed. One that was published less than half a lease ago can't have: its runner is about to take it, or to
 * drop it as one too many at its own next look.
 */
export const createReaper = (settings: ReaperSettings): { close(): Promise<void> } => {
  const { account, subscriptions, own, topicOf, leaseMs, emit, now } = settings;
  const closing = new AbortController();
  const quietSince = new Map<string, number>();
  const ask = <T>(work: Call<Clients, T>) => account.call(work, { signal: closing.signal });

  const bringHome = async (subscription: string, received: Received): Promise<void> => {
    const ackId = received.ackId ?? '';
    const attributes = attributesOf(received);
    const lease = attributes[attributeNames.lease] ?? '';
    const claim = subscription === own.name ? own.claimOf(lease, received.message?.messageId ?? '') : 'lapsed';
    if (claim === 'spare') {
      await ask((clients, options) => acknowledge(clients, options, subscription, ackId));
      return;
    }
    if (claim === 'awaited' || now() - (publishedAtMs(received) ?? 0) < leaseMs / 2) {
      await ask((clients, options) => keep(clients, options, subscription, ackId, 0));
      return;
    }
    const topic = topicOf(attributes[attributeNames.queue] ?? '');
    // With its subscription the message was deleted as well.
    if (topic !== undefined) {
      const past = pastOf(received);
      const history = [...past.history, deathOf(lease, now())];
      const copy = copyOf(received, { ...past, history });
      await ask((clients, options) => publish(clients, options, topic, copy));
    }
    await ask((clients, options) => acknowledge(clients, options, subscription, ackId));
  };

  const look = async (subscription: string): Promise<void> => {
    const received = await ask((clients, options) =>
      pull(clients, options, { subscription, maxMessages: 10, waitMs: 0 }),
    );
    const since = quietSince.get(subscription) ?? now();
    quietSince.set(subscription, received.length > 0 ? now() : since);
    for (const one of received) await bringHome(subscription, one);
    if (subscription === own.name || now() - since < unusedMs) return;
    quietSince.delete(subscription);
    const name = subscription.slice(subscription.lastIndexOf('/') + 1);
    await ask((clients, options) => removePair(clients, options, name));
  };

  return reapInTurn({
    queues: subscriptions,
    isOwn: subscription => subscription === own.name,
    leaseMs,
    look,
    faultOf,
    account,
    closing,
    emit,
  });
};
