import { mergeMap, type OperatorFunction } from 'rxjs';
import { AttemptError } from '../errors.ts';
import type { Executor } from '../executors/executor.ts';
import type { ReadyAttempt, StagedAttempt } from '../model/attempt.ts';
import type { Request } from '../model/experiment.ts';

/** The first executor that takes this request. */
export const executorFor = (executors: readonly Executor[], request: Request): Executor => {
  const executor = executors.find(one => one.accepts(request));
  if (executor) return executor;
  throw new AttemptError(
    'not-a-request',
    'the request has neither a workspace to run nor a container that this runner knows',
  );
};

/**
 * Make or share the environment that the experiment runs in.
 * In: StagedAttempt. Out: ReadyAttempt, its command complete.
 * Errors: those of Executor.provision; `not-a-request` where no executor takes it.
 */
export const provision = (executors: readonly Executor[]): OperatorFunction<StagedAttempt, ReadyAttempt> =>
  mergeMap(async attempt => {
    const command = await executorFor(executors, attempt.request).provision(attempt);
    attempt.signal.throwIfAborted();
    return { ...attempt, command };
  });
