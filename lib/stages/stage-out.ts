import { defer, finalize, mergeMap, of, EMPTY, tap, type OperatorFunction } from 'rxjs';
import { AttemptError, messageOf } from '../errors.ts';
import { conflateMap } from '../flow/conflate.ts';
import { graceAfter } from '../flow/grace-after.ts';
import type { Passage } from '../flow/passage.ts';
import type { ObservedAttempt, PreparedAttempt, StoredAttempt } from '../model/attempt.ts';
import type { Artifact } from '../model/experiment.ts';
import type { Cause, End } from '../model/outcome.ts';
import { laterSnapshot } from '../output/later-snapshot.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import type { Emit } from '../telemetry/events.ts';
import { settlementRules } from './settlements.ts';
import { keepUnstored } from '../workspace/keep-unstored.ts';
import { createUploads, type Patience, type StoreHow } from '../workspace/uploads.ts';

export interface StageOutContext {
  /** Where an artifact is; undefined for one that is not stored. May throw an AttemptError. */
  readonly locate: (artifact: Artifact, attempt: PreparedAttempt) => ObjectLocation | undefined;
  readonly emit: Emit;
  /** Artifacts at once. */
  readonly parallelTransfers: number;
  /** Time that the last upload has once the attempt was told to stop, ms. */
  readonly stopUploadMs: number;
  readonly now: () => number;
  /** Attempts on their way to their start: the last store of one that has ended lets them pass. */
  readonly passage?: Passage;
}

/** For that long at most, ms: about what a start takes on a busy machine. */
const letPassMs = 150;

/** A checkpoint has a next one. */
const brief: Patience = { attempts: 3, maxMs: 1000 };
/** About 20 s. */
const fair: Patience = { attempts: 8, maxMs: 5000 };
/** About an hour, with waits of 15 s on average. */
const patient: Patience = { attempts: 250, maxMs: 30_000 };

/** How the last store goes: its failure is an error, or an event. */
type LastStore =
  | { readonly type: 'must'; readonly patience: Patience }
  | { readonly type: 'may'; readonly patience: Patience }
  | { readonly type: 'none' };

/** Source: spec "Settling". */
const lastStores: Readonly<Partial<Record<Cause, LastStore>>> = {
  // Somebody else has the message by now: the results are theirs to store.
  'lease-lost': { type: 'none' },
  duplicate: { type: 'none' },
  'already-done': { type: 'none' },
  // What it stored last is all that there is.
  'runner-died': { type: 'none' },
  // There is nobody left to tell.
  'queue-deleted': { type: 'may', patience: brief },
  // It was waited for already.
  'store-fault': { type: 'may', patience: brief },
};

/** Without a run there is only the reason to be stored, and that reason stands whether it is stored or not. */
const lastStoreOf = ({ cause, exit }: End): LastStore =>
  lastStores[cause] ?? (exit ? { type: 'must', patience: patient } : { type: 'may', patience: fair });

/** Stores what one attempt makes, one store at a time. */
const createStorer = (attempt: PreparedAttempt, use: StageOutContext) => {
  const grace = graceAfter(attempt.signal, use.stopUploadMs);
  const uploads = createUploads(attempt, {
    locate: artifact => use.locate(artifact, attempt),
    emit: use.emit,
    parallel: use.parallelTransfers,
    signal: grace.signal,
    now: use.now,
  });
  const tell = (
    event: 'checkpointed' | 'stored',
    startedAtMs: number,
    stored: { artifacts: readonly string[]; bytes: number },
  ) => {
    use.emit(event, { ...stored, durationMs: use.now() - startedAtMs }, attempt.record);
  };
  /** What a run made and no store takes stays here where it is not to be run again: then nobody else has it. */
  const keep = async (error: unknown): Promise<unknown> => {
    const { identity, workspace, grant, record } = attempt;
    const artifacts = uploads.unstored();
    if (!(error instanceof AttemptError) || settlementRules[error.code] !== 'reject' || artifacts.length === 0)
      return error;
    try {
      const { directory, bytes } = await keepUnstored(workspace, artifacts, identity.accession);
      grant.keepDisk(bytes);
      use.emit('results-kept', { directory, artifacts, bytes, error: error.message }, record);
      const where = { host: identity.host, directory };
      return new AttemptError(error.code, `${error.message}; it is kept`, where, { cause: error });
    } catch (reason) {
      use.emit('store-failed', { error: `what could not be stored can not be kept: ${messageOf(reason)}` }, record);
      return error;
    }
  };
  const must = async (patience: Patience): Promise<void> => {
    const startedAtMs = use.now();
    try {
      tell('stored', startedAtMs, await uploads.store({ patience, isLast: true }));
    } catch (error) {
      throw await keep(error);
    }
  };
  /** Whether anything was stored. */
  const may = async (event: 'checkpointed' | 'stored', how: StoreHow): Promise<boolean> => {
    const startedAtMs = use.now();
    try {
      const stored = await uploads.store(how);
      const isStored = stored.artifacts.length > 0;
      if (isStored) tell(event, startedAtMs, stored);
      return isStored;
    } catch (error) {
      use.emit(event === 'stored' ? 'store-failed' : 'checkpoint-failed', { error: messageOf(error) }, attempt.record);
      return false;
    }
  };
  return {
    checkpoint: async (due: ReadonlySet<string> | undefined) => {
      if (await may('checkpointed', { patience: brief, due, isLast: false }))
        void attempt.experimentRecord.set({ checkpointedAtMs: use.now() });
    },
    finish: async (end: End): Promise<void> => {
      const last = lastStoreOf(end);
      switch (last.type) {
        case 'must':
          return must(last.patience);
        case 'may':
          await may('stored', { patience: last.patience, isLast: true });
          return;
        case 'none':
          return;
        default:
          return last satisfies never;
      }
    },
    ended: grace.start,
    close: grace.close,
  };
};

/**
 * Store what an attempt makes: at each snapshot what is due and changed, everything at its end, `output` first, `_metadata` last. The
 * snapshots that come while one is being stored become one; the end waits for the one under way. The experiment waits for none.
 * In: the ObservedAttempts of one attempt, snapshots and then one with an end. Out: StoredAttempt, once.
 * Units: bytes, ms; archives are made while they are sent.
 * Errors: `store-fault`, `access-denied`, `artifact-missing` (no bucket), when what a run made could not be stored: where
 * it is not to be run again it is kept on the machine; a
 * checkpoint that fails is an event. Unsubscribing ends what is being sent.
 * Source: spec "Checkpoints and stage-out".
 */
export const stageOut =
  (use: StageOutContext): OperatorFunction<ObservedAttempt, StoredAttempt> =>
  source =>
    defer(() => {
      let storer: ReturnType<typeof createStorer> | undefined;
      const storerOf = (attempt: ObservedAttempt) => (storer ??= createStorer(attempt, use));
      return source.pipe(
        tap(attempt => {
          // A checkpoint that is under way has no more time than what comes after it.
          if (attempt.end) storerOf(attempt).ended();
        }),
        conflateMap(laterSnapshot, async attempt => {
          const storer = storerOf(attempt);
          const { end } = attempt;
          if (end) {
            // It may have ended without a start.
            attempt.through?.();
            await use.passage?.clear(letPassMs, attempt.signal);
            await storer.finish(end);
          } else await storer.checkpoint(attempt.due);
          return attempt;
        }),
        mergeMap(({ end, due: _, ...attempt }) => (end ? of({ ...attempt, end }) : EMPTY)),
        finalize(() => storer?.close()),
      );
    });
