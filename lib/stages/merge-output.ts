import { asyncScheduler, connect, interval, map, merge, mergeMap, takeUntil } from 'rxjs';
import type { Observable, OperatorFunction, SchedulerLike } from 'rxjs';
import { abortable } from '../flow/abortable.ts';
import { timerMs } from '../flow/wait.ts';
import type { ObservedAttempt, RunningAttempt } from '../model/attempt.ts';
import { endSpan } from '../output/bill.ts';
import { endOfRun, exitCodeOf } from '../output/end-of-run.ts';
import { sayLastWords } from '../output/last-words.ts';
import { observeRun } from '../output/observe-run.ts';
import { rfc3339 } from '../output/rfc3339.ts';
import { SkipReporter } from '../output/skip-reporter.ts';
import type { Emit } from '../telemetry/events.ts';
import { planCheckpoints } from '../workspace/checkpoint-plan.ts';

const DEFAULT_GRACE_MS = 5000;

export interface MergeOutputContext {
  readonly emit: Emit;
  /** Milliseconds since the epoch, fractions count. */
  readonly now: () => number;
  /** How long streams are read that somebody holds open after the end of the experiment, ms. */
  readonly graceMs?: number;
  /** Of the time between checkpoints. */
  readonly scheduler?: SchedulerLike;
}

/** The attempt again whenever checkpoints are due, with what is. */
const checkpoints = (attempt: RunningAttempt, use: MergeOutputContext): Observable<ObservedAttempt> => {
  const { rounds, clamped } = planCheckpoints(attempt.request);
  if (clamped) use.emit('checkpoint-clamped', clamped, attempt.record);
  return merge(
    ...rounds.map(({ everyMs, due }) =>
      interval(timerMs(everyMs), use.scheduler ?? asyncScheduler).pipe(map(() => ({ ...attempt, due }))),
    ),
  );
};

const observe = async (
  attempt: RunningAttempt,
  use: MergeOutputContext,
  signal: AbortSignal,
): Promise<ObservedAttempt> => {
  const { document, record, run } = attempt;
  const skips = new SkipReporter(report => {
    use.emit('directive-skipped', report, record);
  }, use.now);
  document.reportSkippedTo((error, line) => {
    skips.skipped(error, line);
  });
  document.set('status', 'running');
  document.set('start_time', rfc3339(run.startedAtMs));
  document.log('Start', run.startedAtMs);
  record.reports?.started(run.startedAtMs);

  const { exit, writeFailure, stderr } = await observeRun(
    attempt,
    { now: use.now, graceMs: use.graceMs ?? DEFAULT_GRACE_MS },
    signal,
  );
  const ended = endOfRun(exit, attempt.signal.reason, writeFailure);
  const end = ended.cause === 'completed' || stderr.length === 0 ? ended : { ...ended, stderr };
  endSpan(record, 'run', use.now());
  skips.flush();
  document.set('status', end.cause === 'completed' ? 'completed' : 'failed');
  document.set('stop_time', rfc3339(exit.endedAtMs));
  document.set('exit_code', exitCodeOf(exit));
  if (end.cause !== 'completed') document.log(end.message, exit.endedAtMs);
  document.log('Stop', exit.endedAtMs);
  sayLastWords(attempt, end);
  use.emit(
    'ended',
    {
      cause: end.cause,
      message: end.message,
      exitCode: exit.code ?? undefined,
      signal: exit.signal ?? undefined,
      durationMs: exit.endedAtMs - exit.startedAtMs,
      limitBytes: exit.exceeded?.limitBytes,
      peakBytes: exit.usage?.memoryBytes,
      stderr: end.stderr,
    },
    record,
  );
  return { ...attempt, end };
};

/**
 * Read what an experiment prints until it ends: into output/output and into the metadata document.
 * In: RunningAttempt. Out: the attempt again whenever a checkpoint is due, and at last, once, with its end.
 * Units: ms. Lines never become values of the observable; memory and the cost of a line are bounded.
 * Errors: none of its own; output that can't be written stops the experiment with cause `out-of-disk` (or `internal`).
 * Unsubscribing lets go of the streams and the file.
 * Source: spec "Metadata", "Layout on disk", "Checkpoints and stage-out".
 */
export const mergeOutput = (use: MergeOutputContext): OperatorFunction<RunningAttempt, ObservedAttempt> =>
  mergeMap(attempt => {
    const due$ = checkpoints(attempt, use);
    return abortable(signal => observe(attempt, use, signal)).pipe(
      connect(ended$ => merge(due$.pipe(takeUntil(ended$)), ended$)),
    );
  });
