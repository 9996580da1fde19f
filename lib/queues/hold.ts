import { AttemptError, messageOf } from '../errors.ts';
import { notNeeded, sleep } from '../flow/wait.ts';
import type { Fault } from './account.ts';

/** What a message is held by. */
export interface Held {
  readonly receivedAtMs: number;
}

export interface HoldSettings<R extends Held> {
  readonly queue: string;
  readonly receipt: R;
  /** Keep it from others for another `visibilityMs`. */
  readonly extend: (receipt: R, signal: AbortSignal) => Promise<unknown>;
  readonly faultOf: (error: unknown) => Fault;
  /** How long the service keeps the message from others, ms; extended at a third of it. */
  readonly visibilityMs: number;
  /** A receipt that is older than this is exchanged for a fresh one, ms. */
  readonly ceilingMs: number;
  /** The message under a fresh receipt; undefined where that is not allowed. */
  readonly renew: (signal: AbortSignal) => Promise<R | undefined>;
  readonly now: () => number;
}

/** A message that is kept from others until it is let go of. */
export interface Hold<R extends Held> {
  readonly lost: AbortSignal;
  /** What it is held by. Changes. */
  readonly receipt: R;
  /** Until then nobody else gets it, ms since the epoch. */
  readonly untilMs: number;
  /** Exchange the receipt, not beside an extension or another exchange. */
  exchange(renew: (signal: AbortSignal) => Promise<R | undefined>): Promise<void>;
  /** No more extensions; resolves when the one that is under way is over. */
  stop(): Promise<void>;
  /** As `stop`, and the holder is told that it holds nothing any more. */
  lose(why: AttemptError): void;
}

/**
 * Extend a message's visibility timeout as long as it is held. A lost extension is tried again twice as often: two thirds of
 * the time are left for that. What is past its time is not ours any more, whatever an extension would be answered: somebody
 * else may have it.
 */
export const createHold = <R extends Held>(settings: HoldSettings<R>): Hold<R> => {
  const { queue, visibilityMs, ceilingMs, renew, faultOf, now } = settings;
  let { receipt } = settings;
  let untilMs = receipt.receivedAtMs + visibilityMs;
  const lost = new AbortController();
  const stopped = new AbortController();
  /** One step after another: extensions and exchanges. */
  let line: Promise<unknown> = Promise.resolve();

  const lose = (why: AttemptError) => {
    stopped.abort(notNeeded);
    lost.abort(why);
  };
  const loseFor = (error: unknown) => {
    lose(
      faultOf(error) === 'queue-gone'
        ? new AttemptError('queue-deleted', 'the queue of the message was deleted', { queue })
        : new AttemptError('lease-lost', 'the message could not be kept from others', { queue, why: messageOf(error) }),
    );
  };

  const inLine = <T>(step: () => Promise<T>): Promise<T> => {
    const done = line.then(step);
    line = done.catch(() => undefined);
    return done;
  };

  const extend = async (): Promise<void> => {
    const askedAtMs = now();
    await settings.extend(receipt, AbortSignal.timeout(Math.max(1, untilMs - askedAtMs)));
    untilMs = askedAtMs + visibilityMs;
  };

  const exchange: Hold<R>['exchange'] = with_ =>
    inLine(async () => {
      lost.signal.throwIfAborted();
      const fresh = await with_(AbortSignal.any([lost.signal, AbortSignal.timeout(Math.max(1, untilMs - now()))]));
      if (!fresh) return;
      receipt = fresh;
      untilMs = fresh.receivedAtMs + visibilityMs;
    });

  const step = async (): Promise<boolean> => {
    if (now() >= untilMs) {
      loseFor(new Error('its time was over before it could be extended'));
      return true;
    }
    try {
      await inLine(() => (stopped.signal.aborted ? Promise.resolve() : extend()));
    } catch (error) {
      if (['receipt-gone', 'queue-gone', 'refused'].includes(faultOf(error))) loseFor(error);
      return false;
    }
    // An exchange that fails is tried again at the next step: the receipt there is holds on.
    if (now() - receipt.receivedAtMs >= ceilingMs) await exchange(renew).catch(() => undefined);
    return true;
  };

  const keep = async (): Promise<void> => {
    let good = true;
    while (!stopped.signal.aborted) {
      const waitMs = Math.min(visibilityMs / (good ? 3 : 6), Math.max(0, untilMs - now()));
      await sleep(waitMs, stopped.signal).catch(() => undefined);
      if (!stopped.signal.aborted) good = await step();
    }
  };
  const kept = keep();

  return {
    lost: lost.signal,
    get receipt() {
      return receipt;
    },
    get untilMs() {
      return untilMs;
    },
    exchange,
    stop: async () => {
      stopped.abort(notNeeded);
      await kept;
      await line;
    },
    lose,
  };
};
