import { catchError, defer, mergeMap, of, type Observable, type OperatorFunction } from 'rxjs';
import { AttemptError, isMachineFault, messageOf } from '../errors.ts';
import type { ObservedAttempt, PreparedAttempt } from '../model/attempt.ts';
import type { End } from '../model/outcome.ts';
import { endCurrentSpan } from '../output/bill.ts';
import { sayLastWords } from '../output/last-words.ts';
import type { Emit } from '../telemetry/events.ts';
import type { Redactor } from '../telemetry/redact.ts';

export interface RecoverContext {
  readonly emit: Emit;
  readonly now: () => number;
  readonly redactor: Redactor;
}

/**
 * What an error says about the end of an attempt, without secrets. An error that has no cause of its own is a fault of this
 * program, or of a machine that has no process or file left.
 */
export const endOf = (error: unknown, { redactor }: Pick<RecoverContext, 'redactor'>): End => {
  const message = redactor.redact(messageOf(error));
  if (error instanceof AttemptError) return { cause: error.code, message };
  return { cause: isMachineFault(error) ? 'engine-fault' : 'internal', message: `unexpected: ${message}` };
};

/**
 * Turn a failure of the stages inside into an end that says why, so that what there is gets stored: the reason stands in
 * output/output and in the document as well.
 * In: PreparedAttempt. Out: what the stages make of it, or one ObservedAttempt with its end.
 * Errors: none of the stages' own.
 */
export const recover = (
  stages: OperatorFunction<PreparedAttempt, ObservedAttempt>,
  use: RecoverContext,
): OperatorFunction<PreparedAttempt, ObservedAttempt> =>
  mergeMap(attempt =>
    defer(() => of(attempt).pipe(stages)).pipe(
      catchError((error: unknown): Observable<ObservedAttempt> => {
        const end = endOf(error, use);
        const atMs = use.now();
        attempt.grant.releaseCompute();
        attempt.document.log(end.message, atMs);
        attempt.document.set('status', 'failed');
        attempt.document.set('stop_time', new Date(atMs).toISOString());
        endCurrentSpan(attempt.record, atMs);
        sayLastWords(attempt, end);
        use.emit('ended', { cause: end.cause, message: end.message }, attempt.record);
        return of({ ...attempt, end });
      }),
    ),
  );
