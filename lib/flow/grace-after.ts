import { AttemptError } from '../errors.ts';
import { timerMs } from './wait.ts';

const isLeaseLost = (reason: unknown): boolean => reason instanceof AttemptError && reason.code === 'lease-lost';

export interface Grace {
  readonly signal: AbortSignal;
  /** There is nothing left to wait for but what is stored: from here on its time counts. */
  readonly start: () => void;
  /** Ends it: who still waits is aborted. */
  readonly close: () => void;
}

/**
 * A signal that aborts `ms` after two things have come, in any order: another signal's abort, and `start`. So whoever was told to stop has
 * that long to store what there is, however long it took before to end. At once when the lease is lost.
 */
export const graceAfter = (signal: AbortSignal, ms: number): Grace => {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let isStarted = false;
  const count = () => {
    if (isLeaseLost(signal.reason)) controller.abort(signal.reason);
    else if (signal.aborted && isStarted) {
      timer ??= setTimeout(() => {
        controller.abort(new AttemptError('store-fault', `not stored within ${String(ms)} ms of being told to stop`));
      }, timerMs(ms));
    }
  };
  if (signal.aborted) count();
  else signal.addEventListener('abort', count, { once: true });
  return {
    signal: controller.signal,
    start: () => {
      isStarted = true;
      count();
    },
    close: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', count);
      controller.abort(new AttemptError('stopping', 'nobody waits for this upload any more'));
    },
  };
};
