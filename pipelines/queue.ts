import { defer, finalize, from, retry, type Observable } from 'rxjs';
import { messageOf } from '../lib/errors.ts';
import { pull } from '../lib/flow/pull.ts';
import { orAborted, sleep } from '../lib/flow/wait.ts';
import type { PulledDelivery, Settled } from '../lib/model/attempt.ts';
import type { QueueName } from '../lib/model/delivery.ts';
import { QueueGone, queueId, type WorkQueue } from '../lib/queues/queue.ts';
import { attemptPipeline, type AttemptContext } from './attempt.ts';

export interface QueueContext extends AttemptContext {
  /** Until a queue that could not be asked is opened anew, ms. */
  readonly restartMs: number;
  /** The next message with its credit; see queues/take-next.ts. */
  readonly takeNext: (queue: WorkQueue, signal: AbortSignal) => Promise<PulledDelivery | undefined>;
}

/**
 * One queue: demand, attempts, settlement. Completes when `until` has aborted and its last attempt is settled. When taking
 * messages fails, or the queue is no longer there, running attempts go on and the queue is opened anew after `restartMs`:
 * discovery says whether it is gone for good.
 * @param until no more messages are taken from then on
 */
export const queuePipeline = (
  { kind, name }: QueueName,
  open: () => WorkQueue,
  use: QueueContext,
  until: AbortSignal,
): Observable<Settled> =>
  defer(() => {
    const queue = open();
    return pull(oneAtATime(queue, use), until).pipe(finalize(() => void queue.close()));
  }).pipe(
    retry({
      delay: (error: unknown) => {
        if (!(error instanceof QueueGone)) {
          use.emit('queue-fault', { error: messageOf(error), retryMs: use.restartMs }, { queue: name });
        }
        return from(sleep(use.restartMs, until).catch(() => undefined));
      },
    }),
    attemptPipeline(use),
    finalize(() => {
      use.demand.forget(queueId({ kind, name }));
    }),
  );

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
    const { credit } = pulled;
    const { promise, resolve } = Promise.withResolvers<void>();
    decided = promise;
    return {
      ...pulled,
      credit: {
        release: () => {
          credit.release();
          resolve();
        },
      },
    };
  };
};
