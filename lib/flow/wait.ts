/** Why work is aborted that nobody waits for any more. One for all: to make the default reason takes longer than most of what it ends. */
export const notNeeded = new Error('it is not needed any more');

/** The longest time that a timer takes, ms, some 24 days: what is longer it takes for a millisecond. */
const longestTimerMs = 2 ** 31 - 1;

/** As much of a time, ms, as a timer takes: for times that a user or a request sets. */
export const timerMs = (ms: number): number => Math.min(ms, longestTimerMs);

/** Resolve after `ms`; reject with the signal's reason when it aborts first. No timer is left behind. */
export const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, timerMs(ms));
    signal?.addEventListener('abort', onAbort, { once: true });
  });

/** The work's result, or a rejection with the signal's reason as soon as it aborts; the work itself goes on unheard. */
export const orAborted = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const onAbort = () => {
      reject(signal.reason as Error);
    };
    const done = () => {
      signal.removeEventListener('abort', onAbort);
    };
    // Heard even where the signal has aborted already: a rejection that nobody hears ends the process.
    work.then(
      value => {
        done();
        resolve(value);
      },
      (error: unknown) => {
        done();
        reject(error);
      },
    );
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });

/** Thrown when: work given to `within` was not done in time. */
export class TimeOver extends Error {
  override readonly name = 'TimeOver';
}

/** Give work a signal that aborts with TimeOver after `ms` (Infinity: never), or with the outer signal's reason before that. */
export const within = async <T>(
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> => {
  const controller = new AbortController();
  const give = () => {
    controller.abort(new TimeOver(`not done within ${String(ms)} ms`));
  };
  const timer = ms === Infinity ? undefined : setTimeout(give, timerMs(ms));
  try {
    return await work(outer ? AbortSignal.any([outer, controller.signal]) : controller.signal);
  } finally {
    clearTimeout(timer);
  }
};

/**
 * What a promise becomes, as long as it is not waited for longer than `ms`; what it is of goes on unheard.
 * Errors: those of the promise; TimeOver; the outer signal's reason.
 */
export const inTime = <T>(ms: number, promise: Promise<T>, outer?: AbortSignal): Promise<T> =>
  within(ms, signal => orAborted(promise, signal), outer);
