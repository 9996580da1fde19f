import { AttemptError } from '../errors.ts';
import type { Command, PreparedAttempt, ReadyAttempt, Run, StagedAttempt } from '../model/attempt.ts';
import type { Request } from '../model/experiment.ts';

/** One way to run experiments. Chosen per request: the first that accepts it. */
export interface Executor {
  readonly kind: 'virtual-environment' | 'docker' | 'apptainer';
  accepts(request: Request): boolean;
  /** Get ready what needs no artifact, while they are brought in. It goes with the attempt's scope where it is not used. */
  standBy?(attempt: PreparedAttempt): void;
  /**
   * Make the environment that the experiment needs, or share one that is there, and say what to start in it. What tools print
   * while they install goes to output/output.
   * Errors: AttemptError `environment`, `no-interpreter`, `no-such-program`, `image-missing`, `image-denied`, `engine-fault`.
   */
  provision(attempt: StagedAttempt): Promise<Command>;
  /**
   * Start it. When `attempt.signal` aborts, or the request's max_duration is over, it is stopped: SIGTERM to everything it
   * started, the grace, SIGKILL; `exit` tells which reason came first.
   * Errors: AttemptError `no-such-program`, `engine-fault`.
   */
  start(attempt: ReadyAttempt): Promise<Run>;
}

/** The first executor that takes this request. Errors: AttemptError `not-a-request` where none does. */
export const executorFor = (executors: readonly Executor[], request: Request): Executor => {
  const executor = executors.find(one => one.accepts(request));
  if (executor) return executor;
  throw new AttemptError(
    'not-a-request',
    'the request has neither a workspace to run nor a container that this runner knows',
  );
};
