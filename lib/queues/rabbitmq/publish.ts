import type { ConfirmChannel, Options } from 'amqplib';
import { messageOf } from '../../errors.ts';
import type { LiveConnection } from './connection.ts';
import { deadQueueOf } from './dead-queue.ts';
import type { HeldMessage } from './hold.ts';
import { originalExpiration, publishOptions, type Headers } from './message.ts';
import { declareOwnQueue } from './own-queue.ts';

interface Outgoing {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly options: Options.Publish;
}

/** Resolves when the broker has it on disk, or in a queue that is not durable. Errors: that no queue takes it, for one. */
const publishConfirmed = (channel: ConfirmChannel, { exchange, routingKey, body, options }: Outgoing): Promise<void> =>
  new Promise<void>((resolve, reject) => {
    // A message that no queue takes is returned first and confirmed after.
    let returned = false;
    const onReturn = (back: { readonly content: Buffer; readonly fields: { readonly routingKey: string } }) => {
      if (back.fields.routingKey === routingKey && back.content.equals(body)) returned = true;
    };
    channel.on('return', onReturn);
    channel.publish(exchange, routingKey, body, options, error => {
      channel.off('return', onReturn);
      if (error) reject(new Error(`the broker did not take the copy: ${messageOf(error)}`));
      else if (returned) reject(new Error(`no queue takes it [exchange=${exchange}, routingKey=${routingKey}]`));
      else resolve();
    });
  });

/** Put a copy at the end of its own queue. */
export const publishBack = async (live: LiveConnection, held: HeldMessage, headers: Headers): Promise<void> => {
  const { content: body, properties } = held.message;
  const options = publishOptions(properties, headers, originalExpiration(properties));
  await publishConfirmed(await live.publisher(), { exchange: '', routingKey: held.queue.name, body, options });
};

/** What helps where dead letters of a queue can't be placed. */
export const remedyFor = (queue: string): string =>
  `let the user declare and write to the queue ${deadQueueOf(queue)}, or give ${queue} a dead-letter policy that leads to a queue which takes them`;

/**
 * Put a copy among the dead letters: where the queue's own policy says, else (or where nobody takes it there) in the durable queue
 * for dead letters of that queue.
 */
export const publishLetter = async (
  live: LiveConnection,
  held: HeldMessage,
  headers: Headers,
  signal: AbortSignal,
): Promise<void> => {
  const { content: body, properties, fields } = held.message;
  const options = publishOptions(properties, headers);
  const policy = await held.deadLetterPolicy(signal);
  if (policy) {
    const { exchange, routingKey = fields.routingKey } = policy;
    const taken = await publishConfirmed(await live.publisher(), { exchange, routingKey, body, options }).then(
      () => true,
      () => false,
    );
    if (taken) return;
  }
  const dead = deadQueueOf(held.queue.name);
  await declareOwnQueue(live.model, dead);
  await publishConfirmed(await live.publisher(), { exchange: '', routingKey: dead, body, options });
};
