import { mergeMap, type OperatorFunction } from 'rxjs';
import { executorFor, type Executor } from '../executors/executor.ts';
import type { ReadyAttempt, RunningAttempt } from '../model/attempt.ts';
import { endSpan } from '../output/bill.ts';
import { judgedRun } from '../resources/gpu/judged-run.ts';
import type { Emit } from '../telemetry/events.ts';

export interface ExecuteContext {
  readonly executors: readonly Executor[];
  readonly emit: Emit;
  readonly now: () => number;
}

/**
 * Start the experiment. Cores and memory go back when its last process is gone, so that the next one can start while the
 * results of this one are stored.
 * In: ReadyAttempt. Out: RunningAttempt, once: its streams and its exit.
 * Errors: those of Executor.start.
 */
export const execute = (use: ExecuteContext): OperatorFunction<ReadyAttempt, RunningAttempt> =>
  mergeMap(async attempt => {
    endSpan(attempt.record, 'environment', use.now());
    const run = judgedRun(await executorFor(use.executors, attempt.request).start(attempt), attempt.grant);
    void run.exit.then(() => {
      attempt.grant.releaseCompute();
    });
    use.emit('started', { pid: run.pid }, attempt.record);
    attempt.through?.();
    return { ...attempt, run };
  });
