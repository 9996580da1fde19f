import type { Channel, ConfirmChannel, ConsumeMessage, GetMessage, Options } from 'amqplib';
import { AttemptError, messageOf } from '../../errors.ts';
import type { Delivery, QueueName } from '../../model/delivery.ts';
import type { HistoryEntry, Settlement } from '../../model/outcome.ts';
import { readPast } from '../history.ts';
import { isNotFound } from './channels.ts';

export interface DeliverySettings {
  readonly queue: QueueName;
  readonly message: GetMessage | ConsumeMessage;
  readonly channel: Channel;
  readonly publisher: () => Promise<ConfirmChannel>;
  /** Declares the durable queue for dead letters of this name. */
  readonly declareDead: (dead: string) => Promise<void>;
  /** Called once, when the message needs its channel no longer. */
  readonly onSettled: () => void;
  /** Aborts when the channel that holds the message ends: the broker gives it to somebody else. */
  readonly ended: AbortSignal;
  readonly hasDeadLetterPolicy: (signal: AbortSignal) => Promise<boolean>;
  readonly now: () => number;
}

/** Where dead letters go that have no policy of their own. */
export const deadQueueOf = (name: string): string => `studioml.dead.${name}`;

const headers = {
  attempt: 'studioml-attempt',
  history: 'studioml-history',
  reason: 'studioml-reason',
  message: 'studioml-message',
  queue: 'studioml-queue',
};

/** Publish a copy to a queue by its name; resolves when the broker has it on disk or in a queue that is not durable. */
const publishCopy = async (
  { message, publisher }: DeliverySettings,
  queue: string,
  added: Readonly<Record<string, string | number>>,
): Promise<void> => {
  const { properties } = message;
  const channel = await publisher();
  const options: Options.Publish = {
    persistent: true,
    mandatory: true,
    headers: { ...(properties.headers ?? {}), ...added },
    ...(properties.contentType === undefined ? {} : { contentType: properties.contentType as string }),
    ...(properties.messageId === undefined ? {} : { messageId: properties.messageId as string }),
  };
  await new Promise<void>((resolve, reject) => {
    // A message that no queue takes is returned first and confirmed after.
    let returned = false;
    const onReturn = (back: { readonly fields: { readonly routingKey: string } }) => {
      if (back.fields.routingKey === queue) returned = true;
    };
    channel.on('return', onReturn);
    channel.publish('', queue, message.content, options, error => {
      channel.off('return', onReturn);
      if (error) reject(new Error(`the broker did not take the copy: ${messageOf(error)}`));
      else if (returned) reject(new Error(`the queue is gone [queue=${queue}]`));
      else resolve();
    });
  });
};

/**
 * A message that is held unacknowledged on its channel until it is settled. An attempt's number can't be kept in a message that
 * is only held: if the runner dies, the message comes home as it was, marked as redelivered by the broker. Its lease, which
 * will carry the number, stands where `begin` is.
 */
export const createDelivery = (settings: DeliverySettings): Delivery => {
  const { queue, message, channel, ended, hasDeadLetterPolicy } = settings;
  const known = (message.properties.headers ?? {}) as Readonly<Record<string, unknown>>;
  const past = readPast(known[headers.attempt], known[headers.history]);
  const lost = new AbortController();
  const lose = () => {
    lost.abort(
      isNotFound(ended.reason)
        ? new AttemptError('queue-deleted', 'the queue of the message was deleted', { queue: queue.name })
        : new AttemptError('lease-lost', 'the channel that held the message ended', {
            queue: queue.name,
            why: messageOf(ended.reason),
          }),
    );
  };
  if (ended.aborted) lose();
  else ended.addEventListener('abort', lose, { once: true });
  let settled = false;

  const historyHeader = (history: readonly HistoryEntry[]) => ({ [headers.history]: JSON.stringify(history) });

  const apply = async (settlement: Settlement): Promise<void> => {
    switch (settlement.type) {
      case 'none':
        return;
      case 'accept':
        channel.ack(message);
        return;
      case 'release':
        channel.nack(message, false, true);
        return;
      case 'retry':
        await publishCopy(settings, queue.name, {
          [headers.attempt]: settlement.attempt,
          ...historyHeader(settlement.history),
        });
        channel.ack(message);
        return;
      case 'reject': {
        if (await hasDeadLetterPolicy(lost.signal)) {
          channel.nack(message, false, false);
          return;
        }
        const dead = deadQueueOf(queue.name);
        await settings.declareDead(dead);
        await publishCopy(settings, dead, {
          [headers.queue]: queue.name,
          [headers.reason]: settlement.reason,
          [headers.message]: settlement.message,
          ...historyHeader(settlement.history),
        });
        channel.ack(message);
        return;
      }
      default:
        settlement satisfies never;
    }
  };

  return {
    queue,
    id: `${message.fields.exchange || 'default'}/${String(message.fields.deliveryTag)}`,
    body: message.content,
    attemptsBefore: past.attempts,
    history: past.history,
    receivedAtMs: settings.now(),
    lost: lost.signal,
    begin: () => Promise.resolve(),
    settle: async settlement => {
      if (settled) throw new Error(`a message was settled twice [queue=${queue.name}]`);
      settled = true;
      ended.removeEventListener('abort', lose);
      try {
        if (settlement.type === 'none') return;
        if (ended.aborted)
          throw new Error('the channel that held the message ended; the broker gives it out again', {
            cause: ended.reason,
          });
        await apply(settlement);
      } finally {
        settings.onSettled();
      }
    },
  };
};
