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
  readonly signal: AbortSignal;
}

/**
 * Wait for one message with a consumer of prefetch 1 that is cancelled at its first delivery; undefined where the broker cancels it, since the
 * queue was deleted. Rejects with the signal's reason, or with why the channel ended. Anything that still comes after that goes
 * back: whoever gave up waiting holds nothing.
 */
export const alarm = (settings: AlarmSettings): Promise<ConsumeMessage | undefined> =>
  new Promise((resolve, reject) => {
    const { channel, inTurn, queue, giveBack, ended, signal } = settings;
    let tag: string | undefined;
    let done = false;
    /** It holds its one message: nothing more is on its way to it. */
    let isFull = false;
    const cancel = () => {
      const consumer = tag;
      if (consumer === undefined || ended.aborted) return;
      const said = inTurn(async () => {
        if (isFull) cancelConsumer(channel, consumer);
        else await channel.cancel(consumer);
      });
      said.catch(() => undefined);
    };
    const finish = (act: () => void) => {
      if (done) return;
      done = true;
      signal.removeEventListener('abort', onAbort);
      ended.removeEventListener('abort', onEnded);
      act();
      cancel();
    };
    const fail = (error: unknown) => {
      finish(() => {
        reject(asError(error));
      });
    };
    const onAbort = () => {
      fail(signal.reason);
    };
    const onEnded = () => {
      fail(ended.reason);
    };
    if (signal.aborted || ended.aborted) {
      fail(signal.aborted ? signal.reason : ended.reason);
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    ended.addEventListener('abort', onEnded, { once: true });
    const onMessage = (message: ConsumeMessage | null) => {
      if (done) {
        if (message !== null && !ended.aborted) giveBack(message);
        return;
      }
      isFull = message !== null;
      finish(() => {
        resolve(message ?? undefined);
      });
    };
    inTurn(() => channel.consume(queue, onMessage, { arguments: settings.arguments ?? {} })).then(({ consumerTag }) => {
      tag = consumerTag;
      if (done) cancel();
    }, fail);
  });
