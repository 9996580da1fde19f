import type { Observable } from 'rxjs';
import type { Delivery, QueueKind, QueueName } from '../model/delivery.ts';

/** A queue's name among all kinds, for maps. */
export const queueId = (queue: QueueName): string => `${queue.kind}:${queue.name}`;

/** One connected broker (or one directory of queues): finds work queues, opens each. Close it when the runner stops. */
export interface QueueBroker {
  readonly kind: QueueKind;
  /**
   * The names of all work queues there are (before QUEUE_MATCH; `*_response` and the runner's own queues left out): the first
   * set as soon as it is known, then one at each look, the same set where nothing changed. A look that fails is an event of the
   * driver and emits nothing. Never completes or errors by itself; unsubscribing ends it.
   */
  discover(): Observable<ReadonlySet<string>>;
  /** A queue by its short name. Cheap: nothing is asked of the broker before the first call on it. */
  open(name: string): WorkQueue;
  /** Let go of everything; deliveries not settled go back by themselves. Idempotent. */
  close(): Promise<void>;
}

/**
 * One queue. `receive` and `wait` are called one at a time, never both. Both reject with the signal's reason when it aborts
 * and with QueueGone when the queue is no longer there; connection trouble is waited out inside the driver (with backoff,
 * told as an event), it is not an error here.
 */
export interface WorkQueue extends QueueName {
  /** Take the next message; undefined when there is none right now. Asked only while a credit is held. */
  receive(signal: AbortSignal): Promise<Delivery | undefined>;
  /**
   * Resolve when there may be a message, at once where there is one. Some brokers can only say so by handing it over: then it
   * comes along, and the caller owns it. Asked only after `receive` found nothing.
   */
  wait(signal: AbortSignal): Promise<Delivery | undefined>;
  /** Messages ready to be taken, where the broker can tell cheaply. */
  depth?(signal: AbortSignal): Promise<number>;
  /** Let go of the queue (not of deliveries that are out). */
  close(): Promise<void>;
}

/** Thrown when: a queue that is being served is deleted. */
export class QueueGone extends Error {
  override readonly name = 'QueueGone';
  constructor(queue: QueueName) {
    super(`queue is gone [kind=${queue.kind}, queue=${queue.name}]`);
  }
}
