import type { Emit } from '../../telemetry/events.ts';
import type { Past } from '../history.ts';
import { acknowledge, createPair, keep, publish, pull, removePair, type Received } from './calls.ts';
import type { PubsubAccount } from './clients.ts';
import { attributeNames } from '../attribute-names.ts';
import { createHeldLeases, type HeldLeases } from '../held-leases.ts';
import { attributesOf, copyOf } from './copies.ts';
import { faultOf } from './faults.ts';

/** What a message is held by. */
export interface Receipt {
  readonly subscription: string;
  readonly ackId: string;
  readonly receivedAtMs: number;
}

/** Where one runner keeps the messages of one project that it has begun. */
export interface LeaseTopic extends Pick<HeldLeases<Receipt>, 'claimOf' | 'left' | 'discard'> {
  /** Put a copy there and take it out again; undefined where the project allows no such topic. */
  move(received: Received, past: Past, home: string, signal: AbortSignal): Promise<Receipt | undefined>;
  /** Remove the topic where nothing is in it. */
  close(): Promise<void>;
}

export const leasePrefix = 'studioml-lease-';

export interface LeaseTopicSettings {
  readonly account: PubsubAccount;
  readonly project: string;
  readonly name: string;
  readonly host: string;
  readonly visibilityMs: number;
  readonly emit: Emit;
  readonly now: () => number;
}

/**
 * A message of Pub/Sub can't be changed. One that is begun moves to a topic of its runner as a copy that says which attempt it
 * is: publish the copy, pull it, acknowledge the original. Nobody else pulls there; when the runner dies or can't extend the copy
 * comes free and any runner brings it home (see reaper.ts).
 */
export const createLeaseTopic = (settings: LeaseTopicSettings): LeaseTopic => {
  const { account, project, name, host, visibilityMs, emit, now } = settings;
  const topic = `projects/${project}/topics/${name}`;
  const subscription = `projects/${project}/subscriptions/${name}`;
  let made: Promise<void> | undefined;

  const make = (): Promise<void> =>
    (made ??= account
      .persist((clients, options) => createPair(clients, options, name), { signal: leases.closing }, [
        'denied',
        'refused',
      ])
      .catch((error: unknown) => {
        made = undefined;
        throw error;
      }));

  const leases = createHeldLeases<Received, Receipt>(
    {
      open: make,
      receive: signal => {
        const waitMs = 5000;
        return account.persist(
          (clients, options) => pull(clients, options, { subscription, maxMessages: 10, waitMs }),
          { signal, waitMs },
        );
      },
      leaseOf: received => attributesOf(received)[attributeNames.lease] ?? '',
      idOf: ({ message }) => message?.messageId ?? '',
      hold: async (received, signal) => {
        const ackId = received.ackId ?? '';
        const receivedAtMs = now();
        const seconds = Math.ceil(visibilityMs / 1000);
        await account.persist((clients, options) => keep(clients, options, subscription, ackId, seconds), { signal });
        return { subscription, ackId, receivedAtMs };
      },
      drop: ({ ackId }, signal) =>
        account.persist((clients, options) => acknowledge(clients, options, subscription, ackId ?? ''), { signal }),
      faultOf,
    },
    { broker: account.label, host, emit },
  );

  return {
    move: (received, past, home, signal) =>
      leases.move(lease => {
        const copy = copyOf(received, past, { [attributeNames.queue]: home, [attributeNames.lease]: lease });
        return account.persist((clients, options) => publish(clients, options, topic, copy), { signal }, [
          'queue-gone',
          'denied',
          'refused',
        ]);
      }, signal),
    claimOf: (lease, id) => leases.claimOf(lease, id),
    left: receipt => {
      leases.left(receipt);
    },
    discard: receipt => {
      leases.discard(receipt);
    },
    close: async () => {
      const { isIdle } = leases;
      leases.close();
      if (!made || !isIdle) return;
      await account
        .call((clients, options) => removePair(clients, options, name), { signal: AbortSignal.timeout(5000) })
        .catch(() => undefined);
    },
  };
};
