import { map, type OperatorFunction } from 'rxjs';
import { AttemptError } from '../errors.ts';
import type { GuardedAttempt, OpenedAttempt } from '../model/attempt.ts';
import { secretsOf } from '../request/secrets-of.ts';
import { minSecretBytes, type Redactor } from '../telemetry/redact.ts';

export interface GuardContext {
  /** Takes secrets out of what is told of attempts. */
  readonly redactor: Redactor;
  /** What of the runner's environment a request may refer to. */
  readonly openEnv: Readonly<Record<string, string>>;
}

/** Learning more than this would hold up all other attempts. Requests have a handful, some of them keys of some kB. */
const mostSecrets = 1000;
const mostSecretBytes = 512 * 1024;

/** Those that are searched for. Errors: `not-a-request` where they are more than any request has. */
const searchedFor = (secrets: readonly string[]): readonly string[] => {
  const searched = secrets.filter(secret => Buffer.byteLength(secret) >= minSecretBytes);
  const bytes = searched.reduce((sum, secret) => sum + Buffer.byteLength(secret), 0);
  if (searched.length <= mostSecrets && bytes <= mostSecretBytes) return searched;
  const found = `${searched.length} values that look secret, ${bytes} bytes of them`;
  throw new AttemptError(
    'not-a-request',
    `not a request: ${found}; expected ${mostSecrets} and ${mostSecretBytes} bytes at most`,
  );
};

/**
 * Learn the secrets of a request, so that nothing that is told from here on shows one of them; forgotten when the scope closes.
 * In: OpenedAttempt. Out: GuardedAttempt.
 * Errors: `not-a-request` where there are more of them than can be looked for without holding up others.
 * Source: spec "Secrets".
 */
export const guard = (use: GuardContext): OperatorFunction<OpenedAttempt, GuardedAttempt> =>
  map(attempt => {
    const secrets = searchedFor(secretsOf(attempt.message, use.openEnv));
    const forget = secrets.map(use.redactor.add);
    attempt.scope.add('secrets', () => {
      for (const one of forget) one();
    });
    return { ...attempt, secrets };
  });
