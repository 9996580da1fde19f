import { randomUUID } from 'node:crypto';
import { messageOf } from '../../errors.ts';
import { orAborted } from '../../flow/wait.ts';
import type { Emit } from '../../telemetry/events.ts';
import type { Past } from '../history.ts';
import { acknowledge, createPair, keep, publish, pull, removePair, type Received } from './calls.ts';
import type { PubsubAccount } from './clients.ts';
import { attributeNames } from '../attribute-names.ts';
import { attributesOf, copyOf } from './copies.ts';
import { faultOf } from './faults.ts';

/** What a message is held by. */
export interface Receipt {
  readonly subscription: string;
  readonly ackId: string;
  readonly receivedAtMs: number;
}

/** Where one runner keeps the messages of one project that it has begun. */
export interface LeaseTopic {
  /** Put a copy there and take it out again; undefined where the project allows no such topic. */
  move(received: Received, past: Past, home: string, signal: AbortSignal): Promise<Receipt | undefined>;
  /** What a copy that is seen here by its lease is: one that is being taken, one that nobody takes, or one that lapsed. */
  claimOf(lease: string): 'awaited' | 'abandoned' | 'lapsed';
  /** Say that a copy is no longer held. */
  left(): void;
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
  const closing = new AbortController();
  const awaited = new Map<string, PromiseWithResolvers<Receipt>>();
  /** Copies that nobody waits for any more. */
  const abandoned = new Set<string>();
  let made: Promise<void> | undefined;
  let held = 0;
  let denied = false;
  let pumping = false;

  const make = () =>
    (made ??= account
      .persist((clients, options) => createPair(clients, options, name), { signal: closing.signal }, [
        'denied',
        'refused',
      ])
      .catch((error: unknown) => {
        made = undefined;
        throw error;
      }));

  const sort = async (received: Received): Promise<void> => {
    const lease = attributesOf(received)[attributeNames.lease] ?? '';
    const ackId = received.ackId ?? '';
    const taker = awaited.get(lease);
    if (taker) {
      const receivedAtMs = now();
      const seconds = Math.ceil(visibilityMs / 1000);
      await account.persist((clients, options) => keep(clients, options, subscription, ackId, seconds), {
        signal: closing.signal,
      });
      awaited.delete(lease);
      taker.resolve({ subscription, ackId, receivedAtMs });
    } else if (abandoned.delete(lease)) {
      await account.persist((clients, options) => acknowledge(clients, options, subscription, ackId), {
        signal: closing.signal,
      });
    }
    // Another one lapsed while this runner was not heard of: the reaper brings it home.
  };

  /** Take out what was put in, as long as somebody waits for it. */
  const pump = async (): Promise<void> => {
    if (pumping) return;
    pumping = true;
    try {
      while (awaited.size > 0 && !closing.signal.aborted) {
        const waitMs = 5000;
        const received = await account.persist(
          (clients, options) => pull(clients, options, { subscription, maxMessages: 10, waitMs }),
          { signal: closing.signal, waitMs },
        );
        for (const one of received) await sort(one);
      }
    } catch (error) {
      for (const taker of awaited.values()) taker.reject(error);
      awaited.clear();
    } finally {
      pumping = false;
    }
  };

  return {
    move: async (received, past, home, signal) => {
      if (denied) return undefined;
      try {
        await make();
      } catch (error) {
        if (closing.signal.aborted || faultOf(error) !== 'denied') throw error;
        denied = true;
        emit('lease-unavailable', { broker: account.label, why: messageOf(error) });
        return undefined;
      }
      const lease = `${host}/${randomUUID()}`;
      const taker = Promise.withResolvers<Receipt>();
      taker.promise.catch(() => undefined);
      try {
        const copy = copyOf(received, past, { [attributeNames.queue]: home, [attributeNames.lease]: lease });
        await account.persist((clients, options) => publish(clients, options, topic, copy), { signal }, [
          'queue-gone',
          'denied',
          'refused',
        ]);
        awaited.set(lease, taker);
        void pump();
        const receipt = await orAborted(taker.promise, signal);
        held += 1;
        return receipt;
      } catch (error) {
        awaited.delete(lease);
        abandoned.add(lease);
        throw error;
      }
    },
    claimOf: lease => (awaited.has(lease) ? 'awaited' : abandoned.delete(lease) ? 'abandoned' : 'lapsed'),
    left: () => {
      held -= 1;
    },
    close: async () => {
      closing.abort(new Error('the runner lets go of its queues'));
      if (!made || held > 0) return;
      await account
        .call((clients, options) => removePair(clients, options, name), { signal: AbortSignal.timeout(5000) })
        .catch(() => undefined);
    },
  };
};
