import type { Channel } from 'amqplib';
import { AttemptError, messageOf } from '../../errors.ts';
import { isNotFound } from './channels.ts';
import type { LiveConnection } from './connection.ts';
import type { HeldMessage, Hold } from './hold.ts';
import { originalHeaders, returnsOf, type Headers } from './message.ts';
import { placeLetter } from '../place-letter.ts';
import { publishBack, publishLetter, remedyFor } from './publish.ts';

export interface HoldOnChannelSettings extends HeldMessage {
  readonly live: LiveConnection;
  /** Say something on the channel, and make it count. */
  readonly say: (what: (channel: Channel) => void) => Promise<void>;
  /** Aborts when the channel ends: the broker gives the message to somebody else. */
  readonly ended: AbortSignal;
}

/**
 * A message that is held unacknowledged on the channel it came on. Quorum queues drop what came back too often (20 times from
 * RabbitMQ 4.0 on, or as the operator says), so from the second time on a copy goes back in its place. `letGo`: it is held otherwise, or settled.
 */
export const holdOnChannel = (settings: HoldOnChannelSettings): Hold & { letGo(): void } => {
  const { queue, message, live, ended } = settings;
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

  /** Say it to the broker, unless there is nobody to say it to. */
  const say = async (what: (channel: Channel) => void): Promise<void> => {
    if (ended.aborted) {
      throw new Error('the channel that held the message ended; the broker gives it out again', {
        cause: ended.reason,
      });
    }
    await settings.say(what);
  };
  const ack = () => say(channel => channel.ack(message));
  /** A new message in its place, at the end of its queue: it has not come back yet. */
  const again = async (headers: Headers): Promise<void> => {
    if (!ended.aborted) await publishBack(live, settings, headers);
    await ack();
  };
  const nack = () => say(channel => channel.nack(message, false, true));

  return {
    lost: lost.signal,
    letGo: () => {
      ended.removeEventListener('abort', lose);
    },
    accept: ack,
    release: headers =>
      headers === undefined && returnsOf(message.properties) === 0
        ? nack()
        : // The channel would hold for as long as it lives what can't be copied.
          again(headers ?? originalHeaders(message.properties.headers)).catch(nack),
    retry: again,
    reject: async (letter, back) => {
      if (!ended.aborted) {
        await placeLetter({
          place: () => publishLetter(live, settings, letter, ended),
          giveBack: () => again(back),
          remedy: remedyFor(queue.name),
        });
      }
      await ack();
    },
    drop: () => Promise.resolve(),
  };
};
