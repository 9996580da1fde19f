import { ReceiveMessageCommand, type Message } from '@aws-sdk/client-sqs';
import type { Delivery } from '../../model/delivery.ts';
import { QueueGone, type WorkQueue } from '../queue.ts';
import type { CallSettings } from '../account.ts';
import type { SqsAccount, SqsCall } from './account.ts';
import { createDeadLetters } from './dead-letters.ts';
import type { HeldDelivery } from '../held-delivery.ts';
import { createDelivery } from './delivery.ts';
import { faultOf } from './faults.ts';
import type { LeaseQueue } from './lease-queue.ts';
import { createOpenedQueue } from '../opened-queue.ts';
import { createPoller } from '../poller.ts';

/** A queue as discovery found it. */
export interface FoundQueue {
  readonly account: SqsAccount;
  readonly leases: LeaseQueue;
  /** Its name in its account. */
  readonly home: string;
  readonly url: string;
}

export interface WorkQueueSettings {
  readonly name: string;
  /** Undefined where there is no such queue. */
  readonly find: (signal: AbortSignal) => Promise<FoundQueue | undefined>;
  readonly visibilityMs: number;
  readonly ceilingMs: number;
  readonly now: () => number;
  /** What is out, of all queues. */
  readonly out: Set<HeldDelivery>;
  /** Before something is taken for the first time; rejects with QueueGone where this is no queue of work. */
  readonly admit: (found: FoundQueue, signal: AbortSignal) => Promise<void>;
}

/** SQS's longest. Source: ReceiveMessage, WaitTimeSeconds. */
const longestWaitSeconds = 20;
/** How long a message that came too late for who asked waits for the next one who asks, ms. */
const keepMs = 1000;

/**
 * One queue of SQS. receive: what there is right now. wait: a long poll, which hands over one message; that is the only word
 * SQS has. Neither asks for more than one message, so a runner holds at most one more than it has credits for.
 * Source: spec "AWS SQS".
 */
export const createWorkQueue = (settings: WorkQueueSettings): WorkQueue => {
  const { name, find, visibilityMs, ceilingMs, now, out, admit } = settings;
  const queue = { kind: 'sqs', name } as const;

  const opened = createOpenedQueue(name, async signal => {
    const found = await find(signal);
    if (!found) throw new QueueGone(queue);
    const { account, leases, home, url } = found;
    const dead = createDeadLetters(account, home, url, now);

    const asked = async <T>(work: SqsCall<T>, call: CallSettings): Promise<T> => {
      try {
        return await account.persist(work, call, ['queue-gone', 'refused']);
      } catch (error) {
        throw faultOf(error) === 'queue-gone' ? new QueueGone(queue) : error;
      }
    };

    const deliver = (message: Message): HeldDelivery => {
      const delivery = createDelivery({
        queue,
        home,
        url,
        account,
        leases,
        dead,
        message,
        visibilityMs,
        ceilingMs,
        now,
        onLeft: left => out.delete(left),
      });
      out.add(delivery);
      return delivery;
    };

    const poller = createPoller<Message>({
      account,
      longestWaitSeconds,
      keepMs,
      giveBack: message => void deliver(message).letGo(),
      ask: async (waitSeconds, signal) => {
        await admit(found, signal);
        const { Messages = [] } = await asked(
          (client, options) =>
            client.send(
              new ReceiveMessageCommand({
                QueueUrl: url,
                MaxNumberOfMessages: 1,
                WaitTimeSeconds: waitSeconds,
                VisibilityTimeout: Math.ceil(visibilityMs / 1000),
                MessageAttributeNames: ['All'],
                MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
              }),
              options,
            ),
          { signal, waitMs: waitSeconds * 1000 },
        );
        return Messages[0];
      },
    });
    return { poller, deliver };
  });

  return {
    ...queue,
    receive: async signal => {
      const { poller, deliver } = await opened.current(signal);
      const message = await poller.now(signal);
      return message && deliver(message);
    },
    wait: async (signal): Promise<Delivery> => {
      const { poller, deliver } = await opened.current(signal);
      return deliver(await poller.next(signal));
    },
    close: () => opened.close(),
  };
};
