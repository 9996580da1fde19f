import { map, type OperatorFunction } from 'rxjs';
import type { GuardedAttempt, RequestedAttempt } from '../model/attempt.ts';
import { parseRequest } from '../request/parse-request.ts';

/**
 * Check a request and read it into its model.
 * In: GuardedAttempt. Out: RequestedAttempt, at once.
 * Errors: `not-a-request` with every fault: path, what was found, what was expected.
 * Source: spec "Clear-text request".
 */
export const parse = (): OperatorFunction<GuardedAttempt, RequestedAttempt> =>
  map(attempt => {
    const request = parseRequest(attempt.message);
    const { record } = attempt;
    record.experiment = request.key;
    record.request = request;
    const project = request.database?.projectId ?? request.project;
    if (project !== undefined) record.project = project;
    return { ...attempt, request };
  });
