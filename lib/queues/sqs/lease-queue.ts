import { randomUUID } from 'node:crypto';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type Message,
} from '@aws-sdk/client-sqs';
import { messageOf } from '../../errors.ts';
import { orAborted, sleep } from '../../flow/wait.ts';
import type { Emit } from '../../telemetry/events.ts';
import type { Past } from '../history.ts';
import type { SqsAccount } from './account.ts';
import { attributeNames } from '../attribute-names.ts';
import { copyOf, leaseOf, stringAttribute } from './copies.ts';
import { faultOf } from './faults.ts';

/** What a message is held by. */
export interface Receipt {
  readonly queueUrl: string;
  readonly receiptHandle: string;
  readonly receivedAtMs: number;
}

/** Where one runner keeps the messages of one account that it has begun. */
export interface LeaseQueue {
  /** Name of the queue there is at present. */
  readonly name: string | undefined;
  /** Whether the account doesn't let this runner make a queue. */
  readonly denied: boolean;
  /**
   * Put a copy there and take it out again: a fresh receipt, with what has to be known about the message in its attributes.
   * The original is the caller's to delete. Undefined where the account allows no such queue.
   */
  move(message: Message, past: Past, home: string, signal: AbortSignal): Promise<Receipt | undefined>;
  /** What a copy that is seen here by its lease is: one that is being taken, one that nobody takes, or one that lapsed. */
  claimOf(lease: string): 'awaited' | 'abandoned' | 'lapsed';
  /** Say that a copy is no longer held. */
  left(): void;
  /** Remove the queue where nothing is in it. */
  close(): Promise<void>;
}

export const leasePrefix = 'studioml_lease_';

export interface LeaseQueueSettings {
  readonly account: SqsAccount;
  /** Letters, digits, - and _. */
  readonly runnerId: string;
  readonly host: string;
  /** How long a copy stays with a runner that is not heard of, ms. */
  readonly visibilityMs: number;
  readonly emit: Emit;
  readonly now: () => number;
}

/** SQS's longest, seconds. */
const retentionSeconds = 1_209_600;
/** A queue that was just made is not known everywhere at once, ms. */
const freshMs = 10_000;
/** A queue that was not used for this long is given up: others remove lease queues that are empty for twice as long, ms. */
export const idleMs = 30 * 60_000;

interface Open {
  readonly name: string;
  readonly url: string;
  readonly madeAtMs: number;
}

/**
 * SQS can't change a message that is held, and forgets a receipt after twelve hours. So a message that is begun moves into a
 * queue of its runner, as a copy that says which attempt it is, and later into a fresh copy of that. Nobody else takes from
 * that queue; when its runner dies or can't extend, the copy becomes visible there, and any runner brings it home (see reaper.ts).
 *
 *   send the copy -> receive it (it is held now) -> delete the original
 *
 * Dying before the copy is held leaves the original to lapse, uncounted; the copy was never received, and is dropped for that.
 */
export const createLeaseQueue = (settings: LeaseQueueSettings): LeaseQueue => {
  const { account, runnerId, host, visibilityMs, emit, now } = settings;
  const closing = new AbortController();
  const awaited = new Map<string, PromiseWithResolvers<Receipt>>();
  /** Copies that nobody waits for any more. */
  const abandoned = new Set<string>();
  let opened: Promise<Open> | undefined;
  let current: Open | undefined;
  let held = 0;
  let usedAtMs = now();
  let denied = false;
  let pumping = false;
  let number = 0;

  const remove = async ({ url }: Open) => {
    await account.call((client, options) => client.send(new DeleteQueueCommand({ QueueUrl: url }), options), {
      signal: AbortSignal.timeout(5000),
    });
  };

  const make = async (): Promise<Open> => {
    const name = `${leasePrefix}${runnerId}-${String(++number)}`;
    const { QueueUrl: url = '' } = await account.persist(
      (client, options) =>
        client.send(
          new CreateQueueCommand({
            QueueName: name,
            Attributes: { MessageRetentionPeriod: String(retentionSeconds) },
          }),
          options,
        ),
      { signal: closing.signal },
      ['denied', 'refused'],
    );
    return (current = { name, url, madeAtMs: now() });
  };

  const open = async (): Promise<Open> => {
    if (current && held === 0 && awaited.size === 0 && now() - usedAtMs > idleMs) {
      void remove(current).catch(() => undefined);
      opened = undefined;
    }
    usedAtMs = now();
    try {
      return await (opened ??= make());
    } catch (error) {
      opened = undefined;
      throw error;
    }
  };

  const send = async (
    message: Message,
    past: Past,
    home: string,
    lease: string,
    signal: AbortSignal,
  ): Promise<void> => {
    const input = copyOf(message, past, {
      [attributeNames.queue]: stringAttribute(home),
      [attributeNames.lease]: stringAttribute(lease),
    });
    for (;;) {
      const { url, madeAtMs } = await open();
      try {
        await account.persist(
          (client, options) => client.send(new SendMessageCommand({ QueueUrl: url, ...input }), options),
          { signal },
          ['queue-gone', 'denied', 'refused'],
        );
        return;
      } catch (error) {
        if (faultOf(error) !== 'queue-gone') throw error;
        if (now() - madeAtMs < freshMs) await sleep(500, signal);
        else opened = undefined;
      }
    }
  };

  const sort = async (queueUrl: string, message: Message): Promise<void> => {
    const lease = leaseOf(message) ?? '';
    const receiptHandle = message.ReceiptHandle ?? '';
    const taker = awaited.get(lease);
    if (taker) {
      awaited.delete(lease);
      taker.resolve({ queueUrl, receiptHandle, receivedAtMs: now() });
    } else if (abandoned.delete(lease)) {
      await account.persist(
        (client, options) =>
          client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: receiptHandle }), options),
        { signal: closing.signal },
      );
    }
    // Another one lapsed while this runner was not heard of: the reaper brings it home.
  };

  /** Take out what was put in, as long as somebody waits for it. */
  const pump = async (): Promise<void> => {
    if (pumping) return;
    pumping = true;
    try {
      while (awaited.size > 0 && !closing.signal.aborted) {
        const { url } = await open();
        const { Messages = [] } = await account.persist(
          (client, options) =>
            client.send(
              new ReceiveMessageCommand({
                QueueUrl: url,
                MaxNumberOfMessages: 10,
                WaitTimeSeconds: 2,
                VisibilityTimeout: Math.ceil(visibilityMs / 1000),
                MessageAttributeNames: [attributeNames.lease],
              }),
              options,
            ),
          { signal: closing.signal, waitMs: 2000 },
        );
        for (const message of Messages) await sort(url, message);
      }
    } catch (error) {
      for (const taker of awaited.values()) taker.reject(error);
      awaited.clear();
    } finally {
      pumping = false;
    }
  };

  return {
    get name() {
      return current?.name;
    },
    get denied() {
      return denied;
    },
    move: async (message, past, home, signal) => {
      if (denied) return undefined;
      try {
        await open();
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
        await send(message, past, home, lease, signal);
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
      usedAtMs = now();
    },
    close: async () => {
      closing.abort(new Error('the runner lets go of its queues'));
      if (current && held === 0) await remove(current).catch(() => undefined);
    },
  };
};
