import type { Channel, ConsumeMessage } from 'amqplib';
import { asError } from '../../errors.ts';
import type { InTurn } from '../../flow/in-turn.ts';
import { cancelConsumer } from './cancel-consumer.ts';

export interface AlarmSettings {
  readonly channel: Channel;
  /** Whose turn it is on the channel. */
  readonly inTurn: InTurn;
  readonly queue: string;
  /** Put back what comes too late. */
  readonly giveBack: (message: ConsumeMessage) => void;
  /** Arguments of the consumer. */
  readonly arguments?: Readonly<Record<string, unknown>>;
  /** Aborts when the channel ends. */
  readonly ended: AbortSignal;
  /** Aborts when nothing may be handed over for a while; the reason is what the wait ends with. */
  readonly hush: AbortSignal;
  readonly signal: AbortSignal;
}

/**
 * Wait for one message with a consumer of prefetch 1 that is cancelled at its first delivery; undefined where the broker cancels it, since the
 * queue was deleted. Rejects with the signal's reason, or with why the channel ended. Anything that still comes after that goes
 * back: whoever gave up waiting holds nothing.
 */
export const alarm = (settings: AlarmSettings): Promise<ConsumeMessage | undefined> =>
  new Promise((resolve, reject) => {
    const { channel, inTurn, queue, giveBack, ended, hush, signal } = settings;
    let tag: string | undefined;
    let done = false;
    let isCancelled = false;
    /** @param atOnce what is said next on the channel does not wait for the broker's answer */
    const cancel = (atOnce = false) => {
      const consumer = tag;
      if (consumer === undefined || isCancelled || ended.aborted) return;
      isCancelled = true;
      const said = inTurn(async () => {
        if (atOnce) cancelConsumer(channel, consumer);
        else await channel.cancel(consumer);
      });
      said.catch(() => undefined);
    };
    const finish = (act: () => void, atOnce = false) => {
      if (done) return;
      done = true;
      signal.removeEventListener('abort', onAbort);
      hush.removeEventListener('abort', onHush);
      ended.removeEventListener('abort', onEnded);
      // Before anybody settles the message, which would let another one come.
      cancel(atOnce);
      act();
    };
    const fail = (error: unknown, atOnce = false) => {
      finish(() => {
        reject(asError(error));
      }, atOnce);
    };
    const onAbort = () => {
      fail(signal.reason);
    };
    const onHush = () => {
      fail(hush.reason, true);
    };
    const onEnded = () => {
      fail(ended.reason);
    };
    if (signal.aborted || ended.aborted) {
      fail(signal.aborted ? signal.reason : ended.reason);
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    hush.addEventListener('abort', onHush, { once: true });
    ended.addEventListener('abort', onEnded, { once: true });
    const onMessage = (message: ConsumeMessage | null) => {
      if (done) {
        if (message !== null && !ended.aborted) giveBack(message);
        return;
      }
      // It may come before the broker's answer to `consume` was seen.
      tag ??= message?.fields.consumerTag;
      finish(() => {
        resolve(message ?? undefined);
      }, message !== null);
    };
    inTurn(() => channel.consume(queue, onMessage, { arguments: settings.arguments ?? {} })).then(({ consumerTag }) => {
      tag = consumerTag;
      if (done) cancel();
    }, fail);
  });
