import { mergeMap, type OperatorFunction } from 'rxjs';
import type { FinishedAttempt, StoredAttempt } from '../model/attempt.ts';
import type { Emit } from '../telemetry/events.ts';

/** A step after everything is stored and before the queue is told. */
export interface Duty {
  readonly name: string;
  run(attempt: StoredAttempt): Promise<void>;
}

export interface ConcludeContext {
  readonly emit: Emit;
  /** In their order. */
  readonly duties: readonly Duty[];
  /** After this long, ms, an event says that a duty is late; it is still waited for. */
  readonly deadlineMs: number;
}

/**
 * Do what must be done between storing the results and telling the queue, in order.
 * In: StoredAttempt. Out: FinishedAttempt.
 * Errors: those of the duties.
 */
export const conclude = (use: ConcludeContext): OperatorFunction<StoredAttempt, FinishedAttempt> =>
  mergeMap(async attempt => {
    for (const duty of use.duties) {
      const late = setTimeout(() => {
        use.emit('duty-late', { duty: duty.name, deadlineMs: use.deadlineMs }, attempt.record);
      }, use.deadlineMs);
      try {
        await duty.run(attempt);
      } finally {
        clearTimeout(late);
      }
    }
    return attempt;
  });
