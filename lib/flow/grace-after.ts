import { AttemptError } from '../errors.ts';

const isLeaseLost = (reason: unknown): boolean => reason instanceof AttemptError && reason.code === 'lease-lost';

export interface Grace {
  readonly signal: AbortSignal;
  /** Ends it: who still waits is aborted. */
  readonly close: () => void;
}

/**
 * A signal that aborts `ms` after another did: what may still be stored when an attempt was told to stop. At once when the lease is
 * lost.
 */
export const graceAfter = (signal: AbortSignal, ms: number): Grace => {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const start = () => {
    if (isLeaseLost(signal.reason)) {
      controller.abort(signal.reason);
      return;
    }
    timer = setTimeout(() => {
      controller.abort(new AttemptError('store-fault', `not stored within ${String(ms)} ms of being told to stop`));
    }, ms);
  };
  if (signal.aborted) start();
  else signal.addEventListener('abort', start, { once: true });
  return {
    signal: controller.signal,
    close: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', start);
      controller.abort(new AttemptError('stopping', 'nobody waits for this upload any more'));
    },
  };
};
