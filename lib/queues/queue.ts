import type { Observable } from 'rxjs';
import type { Delivery, QueueKind, QueueName } from '../model/delivery.ts';

/** A queue's name among all kinds, for maps. */
export const queueId = (queue: QueueName): string => `${queue.kind}:${queue.name}`;

/** Messages of a broker's queues. */
export interface QueueCounts {
  /** Ready to be taken, by queue; a queue that can't be told of is left out. */
  readonly waiting: ReadonlyMap<string, number>;
  /** In the hands of all runners, this one too; undefined where that can't be told. */
  readonly leased?: number;
  /** The same by queue, as far as that can be told. */
  readonly leasedBy?: ReadonlyMap<string, number>;
}

/** One connected broker (or one directory of queues): finds work queues, opens each. Close it when the runner stops. */
export interface QueueBroker {
  readonly kind: QueueKind;
  /**
   * The names of all work queues there are (before QUEUE_MATCH; `*_response` and the runner's own queues left out): the first
   * set as soon as it is known, then one at each look, the same set where nothing changed. A look that fails is an event of the
   * driver and emits nothing. Never completes or errors by itself; unsubscribing ends it.
   */
  discover(): Observable<ReadonlySet<string>>;
  /** The short name, which QUEUE_MATCH sees, where a queue is told from another of that name by more. */
  shortName?(name: string): string;
  /** Why a queue of a kind that is found can't be served at all; undefined where it can. */
  refuses?(name: string): string | undefined;
  /** A queue by its name. Cheap: nothing is asked of the broker before the first call on it. */
  open(name: string): WorkQueue;
  /**
   * Where reports of a queue's attempts go, by the work queue's short name. Cheap: nothing is asked of the broker before the
   * first report. Absent: this kind of queue has no responses.
   */
  reporter?(name: string): Reporter;
  /** There is no room for anything more: its queues' `wait` hands over no message until then, as far as the broker can help it. */
  quiet?(until: Promise<void>): void;
  /** How much work there is, for who scales the runners. Absent: see WorkQueue.depth. Errors: what the broker says. */
  count?(names: readonly string[], signal: AbortSignal): Promise<QueueCounts>;
  /** Let go of everything; deliveries not settled go back by themselves. Idempotent. */
  close(): Promise<void>;
}

/** The queue that answers to a work queue, where a client made one. Source: spec "Reports". */
export const responseQueueOf = (name: string): string => `${name}_response`;

/** Puts reports on a response queue, which it never makes. */
export interface Reporter {
  /**
   * Publish one report (text/plain). Out: once the broker has it; false where there is no such queue now. Called one at a time
   * for each attempt, side by side for several. Whatever stands between may be slow or stuck, and must hold up nothing else on
   * its way: no settlement and no other queue.
   * Errors: what went wrong, it is tried again; the signal's reason as soon as it aborts.
   */
  publish(body: string, signal: AbortSignal): Promise<boolean>;
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
