import { tap, type MonoTypeOperatorFunction } from 'rxjs';
import type { Executor } from '../executors/executor.ts';
import type { PreparedAttempt } from '../model/attempt.ts';

/**
 * Let the executor get ready what needs no artifact. It happens while the first answers of queue and store are waited for, after
 * they were asked.
 * In: PreparedAttempt. Out: the same, at once.
 * Errors: none; what could not be got ready is made when it is needed, and fails then.
 */
export const standBy = (executors: readonly Executor[]): MonoTypeOperatorFunction<PreparedAttempt> =>
  tap(attempt => {
    const executor = executors.find(one => one.accepts(attempt.request));
    if (!executor?.standBy) return;
    setImmediate(() => {
      try {
        if (!attempt.signal.aborted) executor.standBy?.(attempt);
      } catch {
        // It says so itself when it is to be started.
      }
    });
  });
