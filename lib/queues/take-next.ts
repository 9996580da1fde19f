import { createPassage, type Passage } from '../flow/passage.ts';
import { within } from '../flow/wait.ts';
import type { Credit, PulledDelivery } from '../model/attempt.ts';
import type { Delivery } from '../model/delivery.ts';
import { queueId, type WorkQueue } from './queue.ts';

/** Where credits come from. Implemented by resources/demand.ts. */
export interface Credits {
  tryAcquire(queue: string): Credit | undefined;
  acquire(queue: string, signal: AbortSignal): Promise<Credit>;
}

/** How long a message that a broker handed over unasked waits for room before it is given back. */
const unaskedWaitMs = 1000;

/**
 * The next message of a queue, with the credit that covers it; undefined: ask again.
 *
 *   credit -> receive -> message: done
 *                     -> nothing: give the credit back, wait for the broker's word (holding no credit)
 *                        -> a word only: ask again
 *                        -> a message came with it: it needs a credit; one such message per runner waits a second for it,
 *                           others go back at once; then this queue waits for a credit before it listens again
 *
 * So at most one delivery more than there are credits is ever held.
 * @param onAsked hears of each time that a queue is asked for a message
 * @param passage of what is on its way to its start, from the moment that it is asked for
 */
export const createTakeNext = (
  credits: Credits,
  onAsked: (queue: WorkQueue) => void = () => undefined,
  passage: Passage = createPassage(),
) => {
  let unaskedHeld = false;

  const cover = async (queue: WorkQueue, signal: AbortSignal): Promise<Credit | undefined> => {
    const now = credits.tryAcquire(queueId(queue));
    if (now || unaskedHeld || signal.aborted) return now;
    unaskedHeld = true;
    try {
      return await within(unaskedWaitMs, until => credits.acquire(queueId(queue), until), signal);
    } catch {
      return undefined;
    } finally {
      unaskedHeld = false;
    }
  };

  const giveBack = (delivery: Delivery) => delivery.settle({ type: 'release', delayMs: 0 });

  return async (queue: WorkQueue, signal: AbortSignal): Promise<PulledDelivery | undefined> => {
    const credit = await credits.acquire(queueId(queue), signal);
    const through = passage.enter();
    let delivery: Delivery | undefined;
    try {
      onAsked(queue);
      delivery = await queue.receive(signal);
    } finally {
      if (!delivery) {
        credit.release();
        through();
      }
    }
    if (delivery) return { delivery, credit, through };

    const unasked = await queue.wait(signal);
    if (!unasked) return undefined;
    const late = await cover(queue, signal);
    if (late) return { delivery: unasked, credit: late, through: passage.enter() };
    await giveBack(unasked);
    return undefined;
  };
};
