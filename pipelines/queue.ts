import { defer, finalize, type Observable } from 'rxjs';
import { pull } from '../lib/flow/pull.ts';
import { orAborted, sleep } from '../lib/flow/wait.ts';
import type { PulledDelivery, Settled } from '../lib/model/attempt.ts';
import { queueId, type WorkQueue } from '../lib/queues/queue.ts';
import { attemptPipeline, type AttemptContext } from './attempt.ts';

export interface QueueContext extends AttemptContext {
  /** The next message with its credit; see queues/take-next.ts. */
  readonly takeNext: (queue: WorkQueue, signal: AbortSignal) => Promise<PulledDelivery | undefined>;
}

/**
 * One queue: demand, attempts, settlement. Completes when `until` has aborted and its last attempt is settled; errors with
 * QueueGone when the queue is no longer there.
 * @param until no more messages are taken from then on
 */
export const queuePipeline = (queue: WorkQueue, use: QueueContext, until: AbortSignal): Observable<Settled> =>
  defer(() => pull(oneAtATime(queue, use), until).pipe(attemptPipeline(use))).pipe(finalize(() => void queue.close()));

/**
 * Asks for the next message when it is known what becomes of the last one: admitted, or turned away. A message that was given
 * back keeps this runner away from its queue for as long as settle said.
 */
const oneAtATime = (queue: WorkQueue, use: QueueContext) => {
  let decided: Promise<void> = Promise.resolve();
  return async (signal: AbortSignal): Promise<PulledDelivery | undefined> => {
    await orAborted(decided, signal);
    const waitMs = use.delays.remaining(queueId(queue), use.now());
    if (waitMs > 0) await sleep(waitMs, signal);
    const pulled = await use.takeNext(queue, signal);
    if (!pulled) return undefined;
    const { delivery, credit } = pulled;
    const { promise, resolve } = Promise.withResolvers<void>();
    decided = promise;
    return {
      delivery,
      credit: {
        release: () => {
          credit.release();
          resolve();
        },
      },
    };
  };
};
