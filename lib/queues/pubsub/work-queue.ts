import type { Delivery } from '../../model/delivery.ts';
import type { CallSettings, Call } from '../account.ts';
import { createOpenedQueue } from '../opened-queue.ts';
import { createPoller } from '../poller.ts';
import { QueueGone, type WorkQueue } from '../queue.ts';
import { keep, pull, type Received } from './calls.ts';
import type { Clients } from './clients.ts';
import type { HeldDelivery } from '../held-delivery.ts';
import { createDelivery, type FoundSubscription } from './delivery.ts';
import { faultOf } from './faults.ts';

export interface WorkQueueSettings {
  readonly name: string;
  /** Undefined where there is no such subscription. */
  readonly find: (signal: AbortSignal) => Promise<FoundSubscription | undefined>;
  readonly visibilityMs: number;
  readonly now: () => number;
  /** What is out, of all queues. */
  readonly out: Set<HeldDelivery>;
}

/** How long a message that came too late for who asked waits for the next one who asks, ms. */
const keepMs = 1000;
/** Of one pull. The service answers sooner where it likes. */
const longestWaitSeconds = 60;

interface Taken {
  readonly received: Received;
  readonly receivedAtMs: number;
}

/**
 * One subscription of Pub/Sub. receive: what there is right now. wait: a pull that waits, which hands over one message. Neither
 * asks for more than one, so a runner holds at most one more than it has credits for.
 * Source: spec "Google Pub/Sub".
 */
export const createWorkQueue = ({ name, find, visibilityMs, now, out }: WorkQueueSettings): WorkQueue => {
  const queue = { kind: 'pubsub', name } as const;

  const opened = createOpenedQueue(name, async signal => {
    const found = await find(signal);
    if (!found) throw new QueueGone(queue);
    const { account, subscription } = found;

    const asked = async <T>(work: Call<Clients, T>, call: CallSettings): Promise<T> => {
      try {
        return await account.persist(work, call, ['queue-gone', 'refused']);
      } catch (error) {
        throw faultOf(error) === 'queue-gone' ? new QueueGone(queue) : error;
      }
    };

    const deliver = ({ received, receivedAtMs }: Taken): HeldDelivery => {
      const delivery = createDelivery({
        queue,
        found,
        received,
        receivedAtMs,
        visibilityMs,
        now,
        onLeft: left => out.delete(left),
      });
      out.add(delivery);
      return delivery;
    };

    const poller = createPoller<Taken>({
      account,
      longestWaitSeconds,
      keepMs,
      giveBack: taken => void deliver(taken).letGo(),
      ask: async (waitSeconds, signal) => {
        const waitMs = waitSeconds * 1000;
        const [received] = await asked(
          (clients, options) => pull(clients, options, { subscription, maxMessages: 1, waitMs }),
          { signal, waitMs },
        );
        if (!received) return undefined;
        // It came with the subscription's own deadline, which may be as short as ten seconds.
        const receivedAtMs = now();
        const seconds = Math.ceil(visibilityMs / 1000);
        await asked((clients, options) => keep(clients, options, subscription, received.ackId ?? '', seconds), {
          signal,
        });
        return { received, receivedAtMs };
      },
    });
    return { poller, deliver };
  });

  return {
    ...queue,
    receive: async signal => {
      const { poller, deliver } = await opened.current(signal);
      const taken = await poller.now(signal);
      return taken && deliver(taken);
    },
    wait: async (signal): Promise<Delivery> => {
      const { poller, deliver } = await opened.current(signal);
      return deliver(await poller.next(signal));
    },
    close: () => opened.close(),
  };
};
