import { orAborted } from '../flow/wait.ts';
import type { Account } from './account.ts';

export interface PollerSettings<M> {
  /** While its credentials are away nothing is asked: there is nothing, and who waits waits for them as well. */
  readonly account: Pick<Account<never>, 'retired' | 'served'>;
  /** The longest that one question waits, seconds. */
  readonly longestWaitSeconds: number;
  /** Ask for one message, waiting this long for it. Rejects when the queue is gone, or with the signal's reason. */
  readonly ask: (waitSeconds: number, signal: AbortSignal) => Promise<M | undefined>;
  /** Of a message that came and that nobody asks for any more. */
  readonly giveBack: (message: M) => void;
  /** How long such a message waits to be asked for after all, ms. */
  readonly keepMs: number;
}

/** One question at a time to a queue. */
export interface Poller<M> {
  /** What there is right now. */
  now(signal: AbortSignal): Promise<M | undefined>;
  /** The next message, however long it takes. */
  next(signal: AbortSignal): Promise<M>;
  /** End the question that is out and give back what came. */
  close(reason: Error): void;
}

interface Question {
  readonly long: boolean;
  /** Settled when it is answered; what came is in `came`. */
  readonly answered: Promise<void>;
}

/**
 * A question to SQS or Pub/Sub can't be taken back: a message that is on its way when the connection is cut is hidden from everybody for a
 * visibility timeout. So who gives up leaves the question out, and the next one who asks hears its answer:
 *
 *   idle -> out (short or long) -> answered: who listens takes what came, else it is given back after a moment -> idle
 *
 * A long question that is out says that there is nothing: it would have been answered.
 */
export const createPoller = <M>(settings: PollerSettings<M>): Poller<M> => {
  const { account, longestWaitSeconds, giveBack, keepMs } = settings;
  const closing = new AbortController();
  let out: Question | undefined;
  let came: { readonly message: M; readonly timer: NodeJS.Timeout } | undefined;

  const take = (): M | undefined => {
    const taken = came;
    came = undefined;
    clearTimeout(taken?.timer);
    return taken?.message;
  };

  const keep = (message: M) => {
    if (closing.signal.aborted) {
      giveBack(message);
      return;
    }
    const timer = setTimeout(() => {
      const left = take();
      if (left) giveBack(left);
    }, keepMs);
    came = { message, timer };
  };

  const ask = async (long: boolean): Promise<M | undefined> => {
    if (account.retired) {
      if (!long) return undefined;
      await account.served(closing.signal);
    }
    return settings.ask(long ? longestWaitSeconds : 0, closing.signal);
  };

  const question = (long: boolean): Question => {
    if (out) return out;
    const answered = ask(long)
      .then(message => {
        if (message) keep(message);
      })
      .finally(() => {
        out = undefined;
      });
    answered.catch(() => undefined);
    return (out = { long, answered });
  };

  return {
    now: async signal => {
      signal.throwIfAborted();
      closing.signal.throwIfAborted();
      const ready = take();
      if (ready || out?.long) return ready;
      await orAborted(question(false).answered, signal);
      return take();
    },
    next: async signal => {
      for (;;) {
        signal.throwIfAborted();
        closing.signal.throwIfAborted();
        const ready = take();
        if (ready) return ready;
        await orAborted(question(true).answered, signal);
      }
    },
    close: reason => {
      closing.abort(reason);
      const left = take();
      if (left) giveBack(left);
    },
  };
};
