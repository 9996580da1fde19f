import type { QueueKind } from '../model/delivery.ts';
import type { HistoryEntry } from '../model/outcome.ts';

/** A message that no run is tried of any more. */
export interface DeadLetter {
  readonly kind: QueueKind;
  /** The work queue that it was taken from. */
  readonly queue: string;
  /** Where it lies, for people: a queue or a directory. */
  readonly place: string;
  /** Names it among the dead letters of its queue, as long as it lies there. */
  readonly id: string;
  /** A cause of model/outcome.ts, or the broker's own word where its policy moved the message. */
  readonly reason: string;
  readonly message: string;
  /** Ends of its attempts, the last one included. */
  readonly history: readonly HistoryEntry[];
  readonly atMs: number | undefined;
  readonly body: Buffer;
}

/**
 * What becomes of a letter that is looked at.
 * - `keep`: it stays as it is
 * - `requeue`: back to its queue as new; `requeue-counted`: with the count and history from before its last attempt
 * - `drop`: gone for good
 */
export type Verdict = 'keep' | 'requeue' | 'requeue-counted' | 'drop';

/** The dead letters of one broker or one directory of queues, for an operator. Close it after use. */
export interface DeadLetters {
  readonly kind: QueueKind;
  /** The work queues that may have dead letters. */
  queues(signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Look at the letters of one queue, oldest first; what was kept lies where it did after. A letter that goes back is removed only
   * when its queue has it for certain. Two operators at once never get one letter both.
   * Errors: a sentence for people; letters judged before stay judged.
   */
  visit(queue: string, judge: (letter: DeadLetter) => Verdict, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
