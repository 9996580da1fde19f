import { mergeMap, type OperatorFunction } from 'rxjs';
import { executorFor, type Executor } from '../executors/executor.ts';
import type { ReadyAttempt, StagedAttempt } from '../model/attempt.ts';

export interface ProvisionContext {
  readonly executors: readonly Executor[];
  readonly now: () => number;
}

/**
 * Make or share the environment that the experiment runs in.
 * In: StagedAttempt. Out: ReadyAttempt, its command complete.
 * Errors: those of Executor.provision; `not-a-request` where no executor takes it.
 */
export const provision = (use: ProvisionContext): OperatorFunction<StagedAttempt, ReadyAttempt> =>
  mergeMap(async attempt => {
    const command = await executorFor(use.executors, attempt.request).provision(attempt);
    attempt.signal.throwIfAborted();
    return { ...attempt, command, readyAtMs: use.now() };
  });
