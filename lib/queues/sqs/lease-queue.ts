import {
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type Message,
} from '@aws-sdk/client-sqs';
import { sleep } from '../../flow/wait.ts';
import type { Emit } from '../../telemetry/events.ts';
import type { Past } from '../history.ts';
import type { SqsAccount } from './account.ts';
import { attributeNames } from '../attribute-names.ts';
import { createHeldLeases, type HeldLeases } from '../held-leases.ts';
import { copyOf, leaseOf, stringAttribute } from './copies.ts';
import { faultOf } from './faults.ts';

/** What a message is held by. */
export interface Receipt {
  readonly queueUrl: string;
  readonly receiptHandle: string;
  readonly receivedAtMs: number;
}

/** Where one runner keeps the messages of one account that it has begun. */
export interface LeaseQueue extends Pick<HeldLeases<Receipt>, 'denied' | 'claimOf' | 'left' | 'discard'> {
  /** Name of the queue there is at present. */
  readonly name: string | undefined;
  /**
   * Put a copy there and take it out again: a fresh receipt, with what has to be known about the message in its attributes.
   * The original is the caller's to delete. Undefined where the account allows no such queue.
   */
  move(message: Message, past: Past, home: string, signal: AbortSignal): Promise<Receipt | undefined>;
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

/** A copy as it was received. */
interface Copy {
  readonly queueUrl: string;
  readonly message: Message;
}

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
  let opened: Promise<Open> | undefined;
  let current: Open | undefined;
  let usedAtMs = now();
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
      { signal: leases.closing },
      ['denied', 'refused'],
    );
    return (current = { name, url, madeAtMs: now() });
  };

  const open = async (): Promise<Open> => {
    if (current && leases.isIdle && now() - usedAtMs > idleMs) {
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

  const leases = createHeldLeases<Copy, Receipt>(
    {
      open,
      receive: async signal => {
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
          { signal, waitMs: 2000 },
        );
        return Messages.map(message => ({ queueUrl: url, message }));
      },
      leaseOf: ({ message }) => leaseOf(message) ?? '',
      idOf: ({ message }) => message.MessageId ?? '',
      hold: ({ queueUrl, message }) =>
        Promise.resolve({ queueUrl, receiptHandle: message.ReceiptHandle ?? '', receivedAtMs: now() }),
      drop: ({ queueUrl: QueueUrl, message: { ReceiptHandle } }, signal) =>
        account.persist(
          (client, options) => client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }), options),
          { signal },
        ),
      faultOf,
    },
    { broker: account.label, host, emit },
  );

  return {
    get name() {
      return current?.name;
    },
    get denied() {
      return leases.denied;
    },
    move: (message, past, home, signal) => leases.move(lease => send(message, past, home, lease, signal), signal),
    claimOf: (lease, id) => leases.claimOf(lease, id),
    left: receipt => {
      leases.left(receipt);
      usedAtMs = now();
    },
    discard: receipt => {
      leases.discard(receipt);
      usedAtMs = now();
    },
    close: async () => {
      const { isIdle } = leases;
      leases.close();
      if (current && isIdle) await remove(current).catch(() => undefined);
    },
  };
};
