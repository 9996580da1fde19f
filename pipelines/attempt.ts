import { from, map, of, pipe, type OperatorFunction } from 'rxjs';
import { isolate } from '../lib/flow/isolate.ts';
import type { FinishedAttempt, PulledDelivery, RequestedAttempt, Settled, TakenAttempt } from '../lib/model/attempt.ts';
import { admit, type AdmitContext } from '../lib/stages/admit.ts';
import { announce, type AnnounceContext } from '../lib/stages/announce.ts';
import { conclude, type ConcludeContext } from '../lib/stages/conclude.ts';
import { decrypt, type DecryptContext } from '../lib/stages/decrypt.ts';
import { diagnose, type DiagnoseContext } from '../lib/stages/diagnose.ts';
import { execute } from '../lib/stages/execute.ts';
import { fence, type FenceContext } from '../lib/stages/fence.ts';
import { guard, type GuardContext } from '../lib/stages/guard.ts';
import { ingest, type IngestContext } from '../lib/stages/ingest.ts';
import { markEnd } from '../lib/stages/mark-end.ts';
import { mergeOutput, type MergeOutputContext } from '../lib/stages/merge-output.ts';
import { parse } from '../lib/stages/parse.ts';
import { prepare, type PrepareContext } from '../lib/stages/prepare.ts';
import { provision, type ProvisionContext } from '../lib/stages/provision.ts';
import { endOf, recover } from '../lib/stages/recover.ts';
import { screen, type ScreenContext } from '../lib/stages/screen.ts';
import { settle, type SettleContext } from '../lib/stages/settle.ts';
import { stageIn, type StageInContext } from '../lib/stages/stage-in.ts';
import { standBy } from '../lib/stages/stand-by.ts';
import { standBack } from '../lib/stages/stand-back.ts';
import { stageOut, type StageOutContext } from '../lib/stages/stage-out.ts';
import { verify, type VerifyContext } from '../lib/stages/verify.ts';
import { watchCancel, type WatchCancelContext } from '../lib/stages/watch-cancel.ts';

/** Everything that the stages of an attempt need. Made by drivers.ts from the options, by tests from fakes. */
export interface AttemptContext
  extends
    IngestContext,
    VerifyContext,
    ScreenContext,
    DecryptContext,
    GuardContext,
    AnnounceContext,
    AdmitContext,
    PrepareContext,
    FenceContext,
    WatchCancelContext,
    StageInContext,
    ProvisionContext,
    MergeOutputContext,
    StageOutContext,
    ConcludeContext,
    DiagnoseContext,
    SettleContext {
  /** Say in the metadata store how an attempt ended that did not come to be concluded. Never rejects. */
  readonly concludeEarly?: (attempt: FinishedAttempt) => Promise<void>;
}

/** An attempt that ended before it was concluded; who listens is told all the same. */
const endEarly = async (error: unknown, attempt: TakenAttempt, use: AttemptContext): Promise<FinishedAttempt> => {
  const ended = { ...attempt, end: endOf(error, use) };
  await Promise.all([attempt.record.reports?.finish(ended.end), use.concludeEarly?.(ended)]);
  return ended;
};

/** From a message to a request: what is cheap comes before what is not. */
const read = (use: AttemptContext): OperatorFunction<TakenAttempt, RequestedAttempt> =>
  pipe(
    verify(use), // TakenAttempt -> VerifiedAttempt       from a known sender, or clear text where it is accepted
    screen(use), // VerifiedAttempt -> VerifiedAttempt    what says that it never fits here stays sealed
    decrypt(use), // VerifiedAttempt -> OpenedAttempt
    guard(use), // OpenedAttempt -> GuardedAttempt     its secrets are known from here on
    parse(), // GuardedAttempt -> RequestedAttempt
  );

/** All stages of one attempt. Each type extends the one before: a stage at the wrong place does not compile. */
export const attemptPipeline = (use: AttemptContext): OperatorFunction<PulledDelivery, Settled> =>
  pipe(
    ingest(use), // PulledDelivery -> TakenAttempt
    isolate(
      pipe(
        read(use), // TakenAttempt -> RequestedAttempt       nobody is told of what does not get through here
        announce(use), // RequestedAttempt, told of from here on
        admit(use), // RequestedAttempt -> AdmittedAttempt     waits for its grant
        prepare(use), // AdmittedAttempt -> PreparedAttempt      from here on there is something to store
        recover(
          watchCancel(
            fence(
              pipe(
                standBy(use.executors), // PreparedAttempt, its process started meanwhile
                stageIn(use), // PreparedAttempt -> StagedAttempt
                provision(use), // StagedAttempt -> ReadyAttempt
              ),
              use,
            ),
            pipe(
              execute(use), // ReadyAttempt -> RunningAttempt         once: its streams and its exit
              mergeOutput(use), // RunningAttempt -> ObservedAttempt      snapshots, at last the end
            ),
            use,
          ),
          use,
        ),
        standBack(use), // ObservedAttempt -> ObservedAttempt      where a newer attempt has begun, nothing more is stored
        stageOut(use), // ObservedAttempt -> StoredAttempt        checkpoints on the way, everything at the end
        conclude(use), // StoredAttempt -> FinishedAttempt
      ),
      (error, attempt) => from(endEarly(error, attempt, use)),
    ),
    markEnd(use), // FinishedAttempt -> FinishedAttempt
    diagnose(use), // FinishedAttempt -> FinishedAttempt      a machine that fails takes itself out
    settle(use), // FinishedAttempt -> Settled; then the attempt's scope closes
  );

/** The same, cut before anything is reserved or run: what `replay --dry-run` shows. */
export const readPipeline = (
  use: IngestContext & VerifyContext & DecryptContext & GuardContext & SettleContext,
): OperatorFunction<PulledDelivery, Settled> =>
  pipe(
    ingest(use),
    isolate(
      pipe(
        verify(use),
        decrypt(use),
        guard(use),
        parse(),
        map((attempt): FinishedAttempt => ({ ...attempt, end: { cause: 'completed', message: 'a valid request' } })),
      ),
      (error, attempt) => of<FinishedAttempt>({ ...attempt, end: endOf(error, use) }),
    ),
    settle(use),
  );
