import { map, of, pipe, type OperatorFunction } from 'rxjs';
import { isolate } from '../lib/flow/isolate.ts';
import type { FinishedAttempt, PulledDelivery, Settled } from '../lib/model/attempt.ts';
import { admit, type AdmitContext } from '../lib/stages/admit.ts';
import { conclude, type ConcludeContext } from '../lib/stages/conclude.ts';
import { decrypt, type DecryptContext } from '../lib/stages/decrypt.ts';
import { execute } from '../lib/stages/execute.ts';
import { ingest, type IngestContext } from '../lib/stages/ingest.ts';
import { mergeOutput, type MergeOutputContext } from '../lib/stages/merge-output.ts';
import { parse } from '../lib/stages/parse.ts';
import { prepare, type PrepareContext } from '../lib/stages/prepare.ts';
import { provision } from '../lib/stages/provision.ts';
import { endOf, recover } from '../lib/stages/recover.ts';
import { settle, type SettleContext } from '../lib/stages/settle.ts';
import { stageIn, type StageInContext } from '../lib/stages/stage-in.ts';
import { stageOut, type StageOutContext } from '../lib/stages/stage-out.ts';
import { watchCancel, type WatchCancelContext } from '../lib/stages/watch-cancel.ts';
import type { Executor } from '../lib/executors/executor.ts';

/** Everything that the stages of an attempt need. Made by drivers.ts from the options, by tests from fakes. */
export interface AttemptContext
  extends
    IngestContext,
    DecryptContext,
    AdmitContext,
    PrepareContext,
    WatchCancelContext,
    StageInContext,
    MergeOutputContext,
    StageOutContext,
    ConcludeContext,
    SettleContext {
  readonly executors: readonly Executor[];
}

/** All stages of one attempt. Each type extends the one before: a stage at the wrong place does not compile. */
export const attemptPipeline = (use: AttemptContext): OperatorFunction<PulledDelivery, Settled> =>
  pipe(
    ingest(use), // PulledDelivery -> TakenAttempt
    isolate(
      pipe(
        decrypt(use), // TakenAttempt -> OpenedAttempt
        parse(), // OpenedAttempt -> RequestedAttempt
        admit(use), // RequestedAttempt -> AdmittedAttempt     waits for its grant
        prepare(use), // AdmittedAttempt -> PreparedAttempt      from here on there is something to store
        recover(
          watchCancel(
            pipe(
              stageIn(use), // PreparedAttempt -> StagedAttempt
              provision(use.executors), // StagedAttempt -> ReadyAttempt
            ),
            pipe(
              execute(use), // ReadyAttempt -> RunningAttempt         once: its streams and its exit
              mergeOutput(use), // RunningAttempt -> ObservedAttempt      snapshots, at last the end
            ),
            use,
          ),
          use,
        ),
        stageOut(use), // ObservedAttempt -> StoredAttempt        checkpoints on the way, everything at the end
        conclude(use), // StoredAttempt -> FinishedAttempt
      ),
      (error, attempt) => of<FinishedAttempt>({ ...attempt, end: endOf(error) }),
    ),
    settle(use), // FinishedAttempt -> Settled; then the attempt's scope closes
  );

/** The same, cut before anything is reserved or run: what `replay --dry-run` shows. */
export const readPipeline = (
  use: IngestContext & DecryptContext & SettleContext,
): OperatorFunction<PulledDelivery, Settled> =>
  pipe(
    ingest(use),
    isolate(
      pipe(
        decrypt(use),
        parse(),
        map((attempt): FinishedAttempt => ({ ...attempt, end: { cause: 'completed', message: 'a valid request' } })),
      ),
      (error, attempt) => of<FinishedAttempt>({ ...attempt, end: endOf(error) }),
    ),
    settle(use),
  );
