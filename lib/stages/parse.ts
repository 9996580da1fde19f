import { map, type OperatorFunction } from 'rxjs';
import type { OpenedAttempt, RequestedAttempt } from '../model/attempt.ts';
import { parseRequest } from '../request/parse-request.ts';

/**
 * Check a request and read it into its model.
 * In: OpenedAttempt. Out: RequestedAttempt, at once.
 * Errors: `not-a-request` with every fault: path, what was found, what was expected.
 * Source: spec "Clear-text request".
 */
export const parse = (): OperatorFunction<OpenedAttempt, RequestedAttempt> =>
  map(attempt => {
    const request = parseRequest(attempt.message);
    const { record } = attempt;
    record.experiment = request.key;
    record.request = request;
    const project = request.database?.projectId ?? request.project;
    if (project !== undefined) record.project = project;
    return { ...attempt, request };
  });
