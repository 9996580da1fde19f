import { asError, AttemptError, messageOf } from '../errors.ts';
import type { Delivery, QueueName } from '../model/delivery.ts';
import type { Settlement } from '../model/outcome.ts';
import type { Fault } from './account.ts';
import type { Past } from './history.ts';
import { createHold, type Held, type Hold } from './hold.ts';
import { placeLetter } from './place-letter.ts';

type Reject = Extract<Settlement, { type: 'reject' }>;

/** What can be said to a service about one message. Each call is tried until it is answered or its signal aborts. */
export interface MessageCalls<R extends Held> {
  /** Keep it from others for another `visibilityMs`. Once: it is called again in time. */
  extend(receipt: R, signal: AbortSignal): Promise<unknown>;
  /** It is done: nobody gets it any more. @param onUnanswered it may have been removed, whatever is answered from now on */
  remove(receipt: R, signal: AbortSignal, onUnanswered?: () => void): Promise<unknown>;
  /** A copy into its own queue. */
  sendHome(past: Past, signal: AbortSignal, delayMs: number): Promise<unknown>;
  /** Show what was never begun to others again. */
  show(delayMs: number, signal: AbortSignal): Promise<unknown>;
  /** Whether one that was never begun must go back as a copy all the same. */
  isReleasedAsCopy(signal: AbortSignal): Promise<boolean>;
  /** A copy to the dead letters. */
  bury(letter: Reject, past: Past, signal: AbortSignal): Promise<unknown>;
  /** A copy into the runner's lease, held; undefined where the service allows none. */
  lease(past: Past, signal: AbortSignal): Promise<R | undefined>;
  /** Say that a copy is held no longer. */
  left(receipt: R): void;
  /** Say so of one that nobody would miss: there is another one of its message. */
  discard(receipt: R): void;
}

export interface HeldDeliverySettings<R extends Held> {
  readonly queue: QueueName;
  readonly id: string;
  readonly body: Buffer;
  /** What was before, as far as the message and its service tell. */
  readonly past: Past;
  /** When the service got it, ms since the epoch. */
  readonly sentAtMs: number | undefined;
  readonly received: R;
  readonly calls: MessageCalls<R>;
  readonly faultOf: (error: unknown) => Fault;
  readonly visibilityMs: number;
  /** A receipt that is older than this is exchanged, ms. */
  readonly ceilingMs: number;
  /** What helps where its dead letter can't be placed. */
  readonly remedy: string;
  /** Called once, when nothing is held any more. */
  readonly onLeft: (delivery: HeldDelivery) => void;
  readonly now: () => number;
}

/** A delivery that its driver can give back. */
export interface HeldDelivery extends Delivery {
  /** Give it back as it is, counted where it was begun: for a runner that lets go of everything. */
  letGo(): Promise<void>;
}

/**
 * A message that a service hides from others for a while. Until it is begun that is the message itself; from then on a copy in the
 * runner's own lease that says which attempt it is.
 *
 *   accept   remove it
 *   release  not begun: show it again | begun: send a copy home that says nothing of the attempt, remove it
 *   retry    send a copy home with number and history, remove it
 *   reject   send a copy to the dead letters, remove it; where there is no place for it, as a retry
 *
 * So a message that comes home uncounted was given back, and one whose runner died comes home from the lease, counted.
 */
export const createHeldDelivery = <R extends Held>(settings: HeldDeliverySettings<R>): HeldDelivery => {
  const { queue, id, past, sentAtMs, received, calls, faultOf, visibilityMs, ceilingMs, remedy, now } = settings;
  const where = { queue: queue.name, message: id };
  let begun: Past | undefined;
  let settled = false;

  /**
   * Into the lease, or from there into a fresh copy; what was held before is removed.
   * @param onDoubt that may be there still, or be gone: then the copy, which is held now, is all that there is of the message
   */
  const moveInto = async (
    state: Past,
    signal: AbortSignal,
    onDoubt?: (error: Error) => void,
  ): Promise<R | undefined> => {
    const before = hold.receipt;
    const fresh = await calls.lease(state, signal);
    if (!fresh) return undefined;
    let mayBeGone = false;
    try {
      await calls.remove(before, signal, () => {
        mayBeGone = true;
      });
    } catch (error) {
      if (!mayBeGone) {
        // Whoever has the original now must find no second one.
        await calls.remove(fresh, AbortSignal.timeout(Math.ceil(visibilityMs / 3))).catch(() => undefined);
        calls.discard(fresh);
        throw error;
      }
      onDoubt?.(asError(error));
    }
    if (before !== received) calls.discard(before);
    return fresh;
  };

  const hold: Hold<R> = createHold({
    queue: queue.name,
    receipt: received,
    extend: (receipt, signal) => calls.extend(receipt, signal),
    faultOf,
    visibilityMs,
    ceilingMs,
    renew: signal => moveInto(begun ?? past, signal),
    now,
  });
  const moved = () => hold.receipt !== received;
  const remove = (signal: AbortSignal) => calls.remove(hold.receipt, signal);
  const sendHome = async (state: Past, signal: AbortSignal, delayMs = 0): Promise<void> => {
    await calls.sendHome(state, signal, delayMs);
    await remove(signal);
  };
  /** What has no order needs no place behind the others; the service knows since when it has what is not a copy. */
  const release = async (state: Past, delayMs: number, signal: AbortSignal): Promise<void> => {
    if (moved() || (await calls.isReleasedAsCopy(signal))) await sendHome(state, signal, delayMs);
    else await calls.show(delayMs, signal);
  };

  const reject = async (letter: Reject, signal: AbortSignal): Promise<void> => {
    await placeLetter({
      place: async () => {
        await calls.bury(letter, past, signal);
      },
      giveBack: () => (begun ? sendHome({ ...begun, history: letter.history }, signal) : release(past, 0, signal)),
      remedy,
    });
    await remove(signal);
  };

  const apply = async (settlement: Exclude<Settlement, { type: 'none' }>, signal: AbortSignal): Promise<void> => {
    switch (settlement.type) {
      case 'accept':
        await remove(signal);
        return;
      case 'release':
        await release(
          { ...past, unplacedSinceMs: settlement.unplacedSinceMs ?? past.unplacedSinceMs },
          settlement.delayMs,
          signal,
        );
        return;
      case 'retry':
        await sendHome({ ...past, attempts: settlement.attempt, history: settlement.history }, signal);
        return;
      case 'reject':
        await reject(settlement, signal);
        return;
      default:
        settlement satisfies never;
    }
  };

  /** Stop holding it, having done `last` in the time that is left. */
  const end = async (last: (signal: AbortSignal) => Promise<unknown>): Promise<void> => {
    settled = true;
    await hold.stop();
    try {
      if (hold.lost.aborted) throw new Error('the message is not held any more', { cause: hold.lost.reason });
      await last(AbortSignal.timeout(Math.max(1, hold.untilMs - now())));
    } finally {
      if (moved()) calls.left(hold.receipt);
      settings.onLeft(delivery);
    }
  };

  const delivery: HeldDelivery = {
    queue,
    id,
    body: settings.body,
    attemptsBefore: past.attempts,
    history: past.history,
    unplacedSinceMs: past.unplacedSinceMs ?? sentAtMs,
    buriedAtMs: past.buriedAtMs,
    receivedAtMs: received.receivedAtMs,
    lost: hold.lost,
    begin: async attempt => {
      const state = { ...past, attempts: attempt };
      let doubt: Error | undefined;
      try {
        await hold.exchange(signal =>
          moveInto(state, signal, error => {
            doubt = error;
          }),
        );
        // Nothing is begun while somebody else may come to have the original. The copy goes home uncounted.
        if (doubt) throw doubt;
        begun = state;
      } catch (error) {
        hold.lost.throwIfAborted();
        const why = messageOf(error);
        throw new AttemptError(
          'broker-fault',
          'the message could not be marked as begun',
          { ...where, why },
          { cause: error },
        );
      }
    },
    settle: async settlement => {
      if (settled) throw new Error(`a message was settled twice [queue=${queue.name}, message=${id}]`);
      if (settlement.type !== 'none') return end(signal => apply(settlement, signal));
      // What is held and has no home any more (its queue was deleted) must not be brought there.
      await end(async signal => {
        if (moved()) await remove(signal);
      }).catch(() => undefined);
    },
    letGo: async () => {
      if (settled) return;
      await end(signal => (begun ? sendHome(begun, signal) : release(past, 0, signal))).catch(() => undefined);
      hold.lose(new AttemptError('lease-lost', 'the runner lets go of its queues', where));
    },
  };
  return delivery;
};
