import { messageOf } from '../../errors.ts';
import type { DeadLetter, DeadLetters } from '../dead-letters.ts';
import { createNames } from '../names.ts';
import { visitHeld, type HeldLetters } from '../visit-held.ts';
import { acknowledge, keep, listSubscriptions, publish, pull, type Received } from './calls.ts';
import { createPubsubAccount, type FoundProject, type PubsubAccount } from './clients.ts';
import { attributeNames } from '../attribute-names.ts';
import { attributesOf, copyOf, pastOf, publishedAtMs } from './copies.ts';
import { deadSuffix } from './delivery.ts';
import { isWork, shortNameOf } from './names.ts';

export interface PubsubDeadLettersSettings {
  readonly projects: readonly FoundProject[];
}

/** What is looked at is hidden from others for so long, seconds. Who dies in the middle of a look keeps it hidden so long. */
const hiddenSeconds = 120;
const largestBatch = 100;
const givingBackMs = 15_000;

/** The subscription that Pub/Sub itself took a message out of. Source: Pub/Sub, "Dead-letter topics", attributes. */
const movedFrom = (received: Received): string | undefined => {
  const name = attributesOf(received)['CloudPubSubDeadLetterSourceSubscription'];
  return name === undefined ? undefined : shortNameOf(name);
};

const letterOf = (received: Received, name: string, place: string): DeadLetter => {
  const attributes = attributesOf(received);
  const { history } = pastOf(received);
  const saidAtMs = Date.parse(history.at(-1)?.at ?? '');
  return {
    kind: 'pubsub',
    queue: name,
    place,
    id: received.message?.messageId ?? '',
    reason: attributes[attributeNames.reason] ?? (movedFrom(received) ? 'maxDeliveryAttempts' : 'unknown'),
    message:
      attributes[attributeNames.message] ??
      "moved by the subscription's own dead-letter policy; the runner's event `settled` says why",
    history,
    atMs: [saidAtMs, publishedAtMs(received)].find(ms => Number.isFinite(ms)),
    body: copyOf(received, { attempts: 0, history: [] }).data,
  };
};

/** A work queue with dead letters, or one that is gone and left some. */
interface Place {
  readonly account: PubsubAccount;
  readonly home: string;
  /** Where letters go back; undefined where the queue is gone. */
  readonly topic: string | undefined;
  /** Subscriptions that hold dead letters. */
  readonly subscriptions: readonly string[];
}

/**
 * Dead letters of Pub/Sub: those on the subscription `<queue>_dead`, and those on subscriptions of the topic where a subscription's
 * own dead-letter policy leads. A look takes every message there and shows it again; Pub/Sub hides what one operator looks at
 * from the other.
 */
export const pubsubDeadLetters = ({ projects }: PubsubDeadLettersSettings): DeadLetters => {
  const accounts = new Map(
    projects.map(found => [found.label, createPubsubAccount({ found, emit: () => undefined })] as const),
  );
  const names = createNames();
  const places = new Map<string, Place>();

  const look = async (signal: AbortSignal): Promise<void> => {
    places.clear();
    for (const [label, account] of accounts) {
      const listed = await account.call((clients, options) => listSubscriptions(clients, options), { signal });
      const of = (topic: string | null | undefined) => (topic ? listed.filter(one => one.topic === topic) : []);
      const ours = listed.filter(one => shortNameOf(one.name ?? '').endsWith(deadSuffix));
      for (const { name, topic, deadLetterPolicy } of listed) {
        const home = shortNameOf(name ?? '');
        if (!isWork(home)) continue;
        const holding = [
          ...ours.filter(one => shortNameOf(one.name ?? '') === home + deadSuffix),
          ...of(deadLetterPolicy?.deadLetterTopic),
        ];
        const subscriptions = [...new Set(holding.flatMap(one => one.name ?? []))];
        if (subscriptions.length > 0)
          places.set(`${label}/${home}`, { account, home, topic: topic ?? undefined, subscriptions });
      }
      for (const { name } of ours) {
        const home = shortNameOf(name ?? '').slice(0, -deadSuffix.length);
        const left = { account, home, topic: undefined, subscriptions: [name ?? ''] };
        if (!places.has(`${label}/${home}`)) places.set(`${label}/${home}`, left);
      }
    }
    const found = [...places].map(([key, { home }]): [string, string] => [key.slice(0, -home.length - 1), home]);
    names.assign(found.sort());
  };

  const heldIn = (subscription: string, name: string, { account, home, topic }: Place): HeldLetters<Received> => {
    const hide = (received: Received, seconds: number, signal: AbortSignal) =>
      account.call((clients, options) => keep(clients, options, subscription, received.ackId ?? '', seconds), {
        signal,
      });
    return {
      take: async signal => {
        const some = await account.call(
          (clients, options) => pull(clients, options, { subscription, maxMessages: largestBatch, waitMs: 0 }),
          { signal },
        );
        for (const received of some) await hide(received, hiddenSeconds, signal);
        return some;
      },
      idOf: ({ message }) => message?.messageId ?? '',
      letterOf: received =>
        [home, undefined].includes(attributesOf(received)[attributeNames.queue] ?? movedFrom(received))
          ? letterOf(received, name, subscription)
          : undefined,
      keepHidden: (received, signal) =>
        hide(received, hiddenSeconds, signal).then(
          () => undefined,
          (error: unknown) => {
            throw new Error(`the dead letter is not held any more: ${messageOf(error)}`, { cause: error });
          },
        ),
      sendHome: async (received, past, signal) => {
        if (topic === undefined) throw new Error(`the queue is gone; the dead letter stays [queue=${name}]`);
        await account.call((clients, options) => publish(clients, options, topic, copyOf(received, past)), { signal });
      },
      remove: async (received, signal) => {
        await account.call((clients, options) => acknowledge(clients, options, subscription, received.ackId ?? ''), {
          signal,
        });
      },
      giveBack: async received => {
        await hide(received, 0, AbortSignal.timeout(givingBackMs));
      },
    };
  };

  return {
    kind: 'pubsub',
    queues: async signal => {
      await look(signal);
      return [...names.all()].sort();
    },
    visit: async (name, judge, signal) => {
      if (!names.find(name)) await look(signal);
      const place = places.get(names.find(name)?.join('/') ?? '');
      if (!place) return;
      for (const subscription of place.subscriptions) await visitHeld(heldIn(subscription, name, place), judge, signal);
    },
    close: () => {
      for (const account of accounts.values()) account.close();
      return Promise.resolve();
    },
  };
};
