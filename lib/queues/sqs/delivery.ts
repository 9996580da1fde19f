import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  SendMessageCommand,
  type Message,
  type MessageAttributeValue,
} from '@aws-sdk/client-sqs';
import { AttemptError, messageOf } from '../../errors.ts';
import type { Delivery, QueueName } from '../../model/delivery.ts';
import type { Settlement } from '../../model/outcome.ts';
import type { Past } from '../history.ts';
import type { SqsAccount } from './account.ts';
import { attributeNames } from '../attribute-names.ts';
import { copyOf, pastOf, stringAttribute } from './copies.ts';
import type { DeadLetters } from './dead-letters.ts';
import { createHold } from '../hold.ts';
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
  readonly onLeft: (delivery: SqsDelivery) => void;
}

/** A delivery that its driver can give back. */
export interface SqsDelivery extends Delivery {
  /** Give it back as it is, counted where it was begun: for a runner that lets go of everything. */
  letGo(): Promise<void>;
}

/** The longest that a copy can be kept back, and a message from everybody, seconds. */
const maxDelaySeconds = 900;
const maxVisibilitySeconds = 43_200;

const secondsOf = (ms: number, most: number): number => Math.min(most, Math.ceil(ms / 1000));

/**
 * A message that is held by a receipt. Until it is begun that is the message itself; from then on a copy in the runner's own
 * lease queue that says which attempt it is.
 *
 *   accept   delete it
 *   release  not begun: visible again after the delay | begun: send a copy home that says nothing of the attempt, delete it
 *   retry    send a copy home with number and history, delete it
 *   reject   send a copy to the dead-letter queue, delete it
 *
 * So a message that comes home uncounted was given back, and one whose runner died comes home from the lease queue, counted.
 * ApproximateReceiveCount can't tell the two apart; it tells when the queue's own policy would take a message away that was only
 * given back too often: then a release is a copy as well, whose count starts anew. The same where no lease queue is allowed:
 * with every release a copy, a receive count above one tells of holders that never settled.
 */
export const createDelivery = (settings: DeliverySettings): SqsDelivery => {
  const { queue, home, url, account, leases, dead, message, visibilityMs, ceilingMs, now } = settings;
  const received: Receipt = { queueUrl: url, receiptHandle: message.ReceiptHandle ?? '', receivedAtMs: now() };
  const receives = Number(message.Attributes?.ApproximateReceiveCount ?? 1);
  const told = pastOf(message);
  const past: Past = leases.denied ? { ...told, attempts: told.attempts + Math.max(0, receives - 1) } : told;
  let begun = past;
  let settled = false;
  const where = { queue: queue.name, message: message.MessageId };

  const remove = (receipt: Receipt, signal: AbortSignal) =>
    account.persist(
      (client, options) =>
        client.send(
          new DeleteMessageCommand({ QueueUrl: receipt.queueUrl, ReceiptHandle: receipt.receiptHandle }),
          options,
        ),
      { signal },
      ['queue-gone', 'receipt-gone', 'denied', 'refused'],
    );

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

  /** Into the lease queue, or from there into a fresh copy; what was held before is deleted. */
  const moveInto = async (state: Past, signal: AbortSignal): Promise<Receipt | undefined> => {
    const before = hold.receipt;
    const fresh = await leases.move(message, state, home, signal);
    if (!fresh) return undefined;
    try {
      await remove(before, signal);
    } catch (error) {
      // Whoever has the original now must find no second one.
      await remove(fresh, AbortSignal.timeout(Math.ceil(visibilityMs / 3))).catch(() => undefined);
      leases.left(fresh);
      throw error;
    }
    if (before !== received) leases.left(before);
    return fresh;
  };

  const hold = createHold({
    extend: ({ queueUrl, receiptHandle }, signal) =>
      account.call(
        (client, options) =>
          client.send(
            new ChangeMessageVisibilityCommand({
              QueueUrl: queueUrl,
              ReceiptHandle: receiptHandle,
              VisibilityTimeout: Math.ceil(visibilityMs / 1000),
            }),
            options,
          ),
        { signal },
      ),
    faultOf,
    queue: queue.name,
    receipt: received,
    visibilityMs,
    ceilingMs,
    renew: signal => moveInto(begun, signal),
    now,
  });
  const moved = () => hold.receipt !== received;

  const changeVisibility = (delayMs: number, signal: AbortSignal) => {
    const leftMs = received.receivedAtMs + maxVisibilitySeconds * 1000 - now();
    return account.persist(
      (client, options) =>
        client.send(
          new ChangeMessageVisibilityCommand({
            QueueUrl: hold.receipt.queueUrl,
            ReceiptHandle: hold.receipt.receiptHandle,
            VisibilityTimeout: secondsOf(Math.min(delayMs, Math.max(0, leftMs)), maxVisibilitySeconds),
          }),
          options,
        ),
      { signal },
      ['queue-gone', 'receipt-gone', 'denied', 'refused'],
    );
  };

  const release = async (delayMs: number, signal: AbortSignal): Promise<void> => {
    const isCopy =
      moved() ||
      leases.denied ||
      // A policy that can't be read keeps nothing from going home.
      receives >= ((await dead.policy(signal).catch(() => undefined))?.maxReceiveCount ?? Infinity);
    if (!isCopy) {
      await changeVisibility(delayMs, signal);
      return;
    }
    await send(url, past, signal, { delayMs });
    await remove(hold.receipt, signal);
  };

  const apply = async (settlement: Exclude<Settlement, { type: 'none' }>, signal: AbortSignal): Promise<void> => {
    switch (settlement.type) {
      case 'accept':
        await remove(hold.receipt, signal);
        return;
      case 'release':
        await release(settlement.delayMs, signal);
        return;
      case 'retry':
        await send(url, { attempts: settlement.attempt, history: settlement.history }, signal);
        await remove(hold.receipt, signal);
        return;
      case 'reject': {
        const added = {
          [attributeNames.queue]: stringAttribute(home),
          [attributeNames.reason]: stringAttribute(settlement.reason),
          [attributeNames.message]: stringAttribute(settlement.message),
        };
        const target = await dead.target(signal);
        await send(target, { attempts: past.attempts, history: settlement.history }, signal, { added });
        await remove(hold.receipt, signal);
        return;
      }
      default:
        settlement satisfies never;
    }
  };

  /** Stop holding it, having done `last` in the time that is left. */
  const end = async (last: (signal: AbortSignal) => Promise<void>): Promise<void> => {
    settled = true;
    await hold.stop();
    try {
      if (hold.lost.aborted) throw new Error('the message is not held any more', { cause: hold.lost.reason });
      const leftMs = Math.max(1, hold.untilMs - now());
      await last(AbortSignal.timeout(leftMs));
    } finally {
      if (moved()) leases.left(hold.receipt);
      settings.onLeft(delivery);
    }
  };

  const delivery: SqsDelivery = {
    queue,
    id: message.MessageId ?? '',
    body: Buffer.from(message.Body ?? ''),
    attemptsBefore: past.attempts,
    history: past.history,
    receivedAtMs: received.receivedAtMs,
    lost: hold.lost,
    begin: async attempt => {
      begun = { attempts: attempt, history: past.history };
      try {
        await hold.exchange(signal => moveInto(begun, signal));
      } catch (error) {
        hold.lost.throwIfAborted();
        throw new AttemptError(
          'broker-fault',
          'the message could not be marked as begun',
          { ...where, why: messageOf(error) },
          { cause: error },
        );
      }
    },
    settle: async settlement => {
      if (settled) throw new Error(`a message was settled twice [queue=${queue.name}, message=${delivery.id}]`);
      const { type } = settlement;
      if (type !== 'none') return end(signal => apply(settlement, signal));
      // What is held and has no home any more (its queue was deleted) must not be brought there.
      await end(async signal => {
        if (moved()) await remove(hold.receipt, signal);
      }).catch(() => undefined);
    },
    letGo: async () => {
      if (settled) return;
      await end(async signal => {
        if (moved()) {
          await send(url, begun, signal);
          await remove(hold.receipt, signal);
        } else await changeVisibility(0, signal);
      }).catch(() => undefined);
      hold.lose(new AttemptError('lease-lost', 'the runner lets go of its queues', where));
    },
  };
  return delivery;
};
