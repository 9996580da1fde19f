import { map, type OperatorFunction } from 'rxjs';
import type { OpenedAttempt } from '../model/attempt.ts';
import { secretsOf } from '../request/secrets-of.ts';
import type { Redactor } from '../telemetry/redact.ts';

export interface GuardContext {
  /** Takes secrets out of what is told of attempts. */
  readonly redactor: Redactor;
}

/**
 * Learn the secrets of a request, so that nothing that is told from here on shows one of them; forgotten when the scope closes.
 * In: OpenedAttempt. Out: the same.
 * Errors: none.
 * Source: spec "Secrets".
 */
export const guard = (use: GuardContext): OperatorFunction<OpenedAttempt, OpenedAttempt> =>
  map(attempt => {
    for (const secret of secretsOf(attempt.message)) attempt.scope.add('secret', use.redactor.add(secret));
    return attempt;
  });
