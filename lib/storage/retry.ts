import { messageOf, StoreError } from '../errors.ts';
import { sleep } from '../flow/wait.ts';
import type { About, Emit } from '../telemetry/events.ts';

export interface RetryContext {
  /** Ends the waiting, with its reason. */
  readonly signal: AbortSignal;
  readonly emit: Emit;
  readonly about?: About;
  /** For the event: `get`, `put`, `list`. */
  readonly operation: string;
  /** For the event: where. */
  readonly object: string;
  /** Tries in all; default: 8. */
  readonly attempts?: number;
  /** Longest wait before the second try, ms; doubles up to `maxMs`. Defaults: 200, 15,000. */
  readonly baseMs?: number;
  readonly maxMs?: number;
  /** Also what was refused for credentials that are no longer valid: they were let in before. */
  readonly awaitsCredentials?: boolean;
}

/** Refusals of credentials that were right once and may be again. `XAdminUserNotFound`: of versitygw, no such access key. */
const stale = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
  'InvalidToken',
  'InvalidAccessKeyId',
  'XAdminUserNotFound',
]);

/** Whether this word of a store says that credentials are no longer valid. */
export const isStaleReason = (reason: string): boolean => stale.has(reason);

/** So often, about a quarter of a minute: who renews credentials does it soon. */
const mostDenials = 8;

/**
 * Try again what failed because a store was not reachable or overloaded, with exponential backoff and full jitter, so that
 * many runners do not come back together. Other failures are final.
 * Errors: the last one of the work, or the signal's reason.
 */
export const withRetry = async <T>(work: () => Promise<T>, use: RetryContext): Promise<T> => {
  const { attempts = 8, baseMs = 200, maxMs = 15_000 } = use;
  let denials = 0;
  const isWorthIt = (error: unknown): boolean => {
    if (!(error instanceof StoreError)) return false;
    const isStale = use.awaitsCredentials === true && isStaleReason(error.reason ?? '');
    return error.code === 'unavailable' || (isStale && ++denials < mostDenials);
  };
  for (let attempt = 1; ; attempt++) {
    use.signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      use.signal.throwIfAborted();
      if (!isWorthIt(error) || attempt >= attempts) throw error;
      const retryMs = Math.round(Math.random() * Math.min(maxMs, baseMs * 2 ** (attempt - 1)));
      use.emit(
        'store-retry',
        { operation: use.operation, object: use.object, error: messageOf(error), retryMs, tries: attempt },
        use.about,
      );
      await sleep(retryMs, use.signal);
    }
  }
};
