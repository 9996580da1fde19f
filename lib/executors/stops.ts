import { AttemptError } from '../errors.ts';
import { timerMs } from '../flow/wait.ts';
import type { Cause } from '../model/outcome.ts';

export interface StopSettings {
  /** Aborts when the run must stop; the reason is an AttemptError. */
  readonly signal: AbortSignal;
  /** Aborts when there is no time for a grace. */
  readonly kill?: AbortSignal | undefined;
  /** It is stopped after so many ms, with cause `max-duration`. */
  readonly maxDurationMs?: number | undefined;
  /** Ask it to end, and end it after the grace. */
  readonly onStop: () => void;
  /** End it now. */
  readonly onKill: () => void;
}

/** Why a run is stopped. */
export interface Stops {
  /** The first reason; undefined where it ends by itself. */
  readonly cause: Cause | undefined;
  /** Stop it for this reason. */
  readonly stop: (cause: Cause) => void;
  /** It is ended for this reason, by whom says so. Whether that is the first. */
  note(cause: Cause): boolean;
  /** It has ended: nothing stops it any more. */
  end(): void;
}

const causeOf = (signal: AbortSignal): Cause =>
  signal.reason instanceof AttemptError ? signal.reason.code : 'stopping';

/** What stops a run that has started, however it is run: its attempt's signal, its time, the runner's kill. The first reason wins. */
export const listenForStops = ({ signal, kill, maxDurationMs, onStop, onKill }: StopSettings): Stops => {
  let cause: Cause | undefined;
  const note = (why: Cause): boolean => {
    const isFirst = cause === undefined;
    cause ??= why;
    return isFirst;
  };
  const stop = (why: Cause) => {
    note(why);
    onStop();
  };
  const onAbort = () => {
    stop(causeOf(signal));
  };
  const onKillNow = () => {
    note('stopping');
    onKill();
  };
  const limit =
    maxDurationMs === undefined
      ? undefined
      : setTimeout(stop, timerMs(Math.max(0, maxDurationMs)), 'max-duration' satisfies Cause);
  signal.addEventListener('abort', onAbort, { once: true });
  kill?.addEventListener('abort', onKillNow, { once: true });
  // An abort that came while it was being started is heard by nobody else.
  if (signal.aborted) onAbort();
  if (kill?.aborted) onKillNow();
  return {
    get cause() {
      return cause;
    },
    stop,
    note,
    end: () => {
      clearTimeout(limit);
      signal.removeEventListener('abort', onAbort);
      kill?.removeEventListener('abort', onKillNow);
    },
  };
};
