import { map, type OperatorFunction } from 'rxjs';
import type { AttemptReports, RequestedAttempt } from '../model/attempt.ts';

export interface AnnounceContext {
  /** Who tells of this attempt; undefined where nobody listens. */
  readonly openReports: (attempt: RequestedAttempt) => AttemptReports | undefined;
}

/**
 * Begin to tell of an attempt. Not before its request was opened, verified and understood: whoever sends what is refused gets
 * no answer.
 * In: RequestedAttempt. Out: the same, its record with its reports.
 * Errors: none.
 * Source: spec "Reports".
 */
export const announce = (use: AnnounceContext): OperatorFunction<RequestedAttempt, RequestedAttempt> =>
  map(attempt => {
    const reports = use.openReports(attempt);
    if (!reports) return attempt;
    attempt.record.reports = reports;
    attempt.scope.add('reports', () => {
      reports.close();
    });
    return attempt;
  });
