import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  SendMessageCommand,
  type Message,
  type MessageAttributeValue,
} from '@aws-sdk/client-sqs';
import type { QueueName } from '../../model/delivery.ts';
import { attributeNames } from '../attribute-names.ts';
import { createHeldDelivery, type HeldDelivery, type MessageCalls } from '../held-delivery.ts';
import type { Past } from '../history.ts';
import type { SqsAccount } from './account.ts';
import { copyOf, pastOf, sentAtMs, stringAttribute } from './copies.ts';
import { deadSuffix, type DeadLetters } from './dead-letters.ts';
import { faultOf } from './faults.ts';
import type { LeaseQueue, Receipt } from './lease-queue.ts';

export interface DeliverySettings {
  readonly queue: QueueName;
  /** The queue's name in its account, and where it is. */
  readonly home: string;
  readonly url: string;
  readonly account: SqsAccount;
  readonly leases: LeaseQueue;
  readonly dead: DeadLetters;
  readonly message: Message;
  readonly visibilityMs: number;
  readonly ceilingMs: number;
  readonly now: () => number;
  /** Called once, when nothing is held any more. */
  readonly onLeft: (delivery: HeldDelivery) => void;
}

/** The longest that a copy can be kept back, and a message from everybody, seconds. */
const maxDelaySeconds = 900;
const maxVisibilitySeconds = 43_200;

const secondsOf = (ms: number, most: number): number => Math.min(most, Math.ceil(ms / 1000));

/**
 * A message of SQS, held by a receipt.
 * ApproximateReceiveCount can't tell a release from a death; it tells when the queue's own policy would take a message away that was
 * only given back too often: then a release is a copy as well, whose count starts anew. The same where no lease queue is allowed:
 * with every release a copy, a receive count above one tells of holders that never settled.
 */
export const createDelivery = (settings: DeliverySettings): HeldDelivery => {
  const { queue, home, url, account, leases, dead, message, visibilityMs, ceilingMs, onLeft, now } = settings;
  const received: Receipt = { queueUrl: url, receiptHandle: message.ReceiptHandle ?? '', receivedAtMs: now() };
  const receives = Number(message.Attributes?.ApproximateReceiveCount ?? 1);
  const told = pastOf(message);
  const past: Past = leases.denied ? { ...told, attempts: told.attempts + Math.max(0, receives - 1) } : told;

  const send = (
    target: string,
    state: Past,
    signal: AbortSignal,
    { delayMs = 0, added = {} }: { delayMs?: number; added?: Readonly<Record<string, MessageAttributeValue>> } = {},
  ) =>
    account.persist(
      (client, options) =>
        client.send(
          new SendMessageCommand({
            QueueUrl: target,
            DelaySeconds: secondsOf(delayMs, maxDelaySeconds),
            ...copyOf(message, state, added),
          }),
          options,
        ),
      { signal },
      ['queue-gone', 'denied', 'refused'],
    );
  const visibility = ({ queueUrl, receiptHandle }: Receipt, VisibilityTimeout: number) =>
    new ChangeMessageVisibilityCommand({ QueueUrl: queueUrl, ReceiptHandle: receiptHandle, VisibilityTimeout });

  const calls: MessageCalls<Receipt> = {
    extend: (receipt, signal) =>
      account.call((client, options) => client.send(visibility(receipt, Math.ceil(visibilityMs / 1000)), options), {
        signal,
      }),
    remove: ({ queueUrl, receiptHandle }, signal, onUnanswered) =>
      account.persist(
        (client, options) =>
          client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: receiptHandle }), options),
        { signal, onUnanswered },
        ['queue-gone', 'receipt-gone', 'denied', 'refused'],
      ),
    sendHome: (state, signal, delayMs) => send(url, state, signal, { delayMs }),
    show: (delayMs, signal) => {
      const leftMs = received.receivedAtMs + maxVisibilitySeconds * 1000 - now();
      const seconds = secondsOf(Math.min(delayMs, Math.max(0, leftMs)), maxVisibilitySeconds);
      return account.persist((client, options) => client.send(visibility(received, seconds), options), { signal }, [
        'queue-gone',
        'receipt-gone',
        'denied',
        'refused',
      ]);
    },
    isReleasedAsCopy: async signal =>
      leases.denied ||
      // A policy that can't be read keeps nothing from going home.
      receives >= ((await dead.policy(signal).catch(() => undefined))?.maxReceiveCount ?? Infinity),
    bury: async ({ reason, message: why, history }, { attempts }, signal) => {
      const added = {
        [attributeNames.queue]: stringAttribute(home),
        [attributeNames.reason]: stringAttribute(reason),
        [attributeNames.message]: stringAttribute(why),
      };
      await send(await dead.target(signal), { attempts, history }, signal, { added });
    },
    lease: (state, signal) => leases.move(message, state, home, signal),
    left: receipt => {
      leases.left(receipt);
    },
    discard: receipt => {
      leases.discard(receipt);
    },
  };

  return createHeldDelivery({
    queue,
    id: message.MessageId ?? '',
    body: Buffer.from(message.Body ?? ''),
    past,
    sentAtMs: sentAtMs(message),
    received,
    calls,
    faultOf,
    visibilityMs,
    ceilingMs,
    remedy: `allow sqs:GetQueueUrl, sqs:CreateQueue and sqs:SendMessage on ${home}${deadSuffix}, or give ${home} a redrive policy whose target this account may send to`,
    onLeft,
    now,
  });
};
