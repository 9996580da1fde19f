import { setImmediate } from 'node:timers/promises';
import { defer, finalize, map, mergeMap, of, type OperatorFunction } from 'rxjs';
import { AttemptError } from '../errors.ts';
import { whileRunning } from '../flow/while-running.ts';
import { notNeeded, within } from '../flow/wait.ts';
import type { ObservedAttempt, PreparedAttempt, ReadyAttempt } from '../model/attempt.ts';
import type { Emit } from '../telemetry/events.ts';

export interface WatchCancelContext {
  readonly emit: Emit;
  /** Made for each attempt: asks where its user may have cancelled it; the place that says so, or undefined. Never rejects. */
  readonly cancelledBy: (attempt: PreparedAttempt) => (signal: AbortSignal) => Promise<string | undefined>;
  /** Hears of each attempt as long as it can be cancelled, and may do so; what it returns is called at the end. */
  readonly attend?: (attempt: PreparedAttempt, cancel: (by: string) => void) => () => void;
  /** Between two looks while it runs, ms. */
  readonly lookEveryMs: number;
  /** How long the first look may keep an experiment from its start, ms. */
  readonly firstLookMs: number;
  readonly now: () => number;
}

/**
 * Run an attempt for as long as its user wants it: look once before it starts, beside its preparation, and again while it runs.
 * The record says `running` when it starts; nothing waits for that.
 * In: PreparedAttempt. Out: what the stages make of it. Inside, `signal` aborts when the user cancels; outside it is as before:
 * what a cancelled experiment made is stored without hurry.
 * Units: ms.
 * Errors: `cancelled` where that is known before it started; those of the stages.
 * Source: spec "Metadata store", "Special artifacts".
 */
export const watchCancel = (
  getReady: OperatorFunction<PreparedAttempt, ReadyAttempt>,
  run: OperatorFunction<ReadyAttempt, ObservedAttempt>,
  use: WatchCancelContext,
): OperatorFunction<PreparedAttempt, ObservedAttempt> =>
  mergeMap(attempt =>
    defer(() => {
      const cancel = new AbortController();
      const over = new AbortController();
      const signal = AbortSignal.any([attempt.signal, cancel.signal]);
      const cancelledBy = use.cancelledBy(attempt);
      const stop = (by: string) => {
        if (signal.aborted) return;
        use.emit('cancelled', { by }, attempt.record);
        cancel.abort(new AttemptError('cancelled', 'its user stopped it', { by }));
      };
      const look = async (until: AbortSignal) => {
        const by = await cancelledBy(until);
        if (by !== undefined) stop(by);
      };
      const leave = use.attend?.(attempt, stop);
      // The queue is told first that the attempt begins: it takes longest.
      const firstLook = setImmediate()
        .then(() => within(use.firstLookMs, look, over.signal))
        .catch(() => undefined);
      const start = async (ready: ReadyAttempt): Promise<ReadyAttempt> => {
        await firstLook;
        signal.throwIfAborted();
        void whileRunning(use.lookEveryMs, look, AbortSignal.any([over.signal, signal]));
        attempt.experimentRecord.setSoon({ status: 'running', startedAtMs: use.now() });
        return ready;
      };
      return of({ ...attempt, signal }).pipe(
        getReady,
        mergeMap(start),
        run,
        map(observed => ({ ...observed, signal: attempt.signal })),
        finalize(() => {
          leave?.();
          over.abort(notNeeded);
        }),
      );
    }),
  );
