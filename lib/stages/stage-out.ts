import { Observable, type OperatorFunction } from 'rxjs';
import { AttemptError, asError, messageOf } from '../errors.ts';
import type { ObservedAttempt, PreparedAttempt, StoredAttempt } from '../model/attempt.ts';
import type { Artifact } from '../model/experiment.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import type { Emit } from '../telemetry/events.ts';
import { createUploads, type Uploads } from '../workspace/uploads.ts';

export interface StageOutContext {
  /** Where an artifact is; undefined for one that is not stored. */
  readonly locate: (artifact: Artifact, attempt: PreparedAttempt) => ObjectLocation | undefined;
  readonly emit: Emit;
  /** Artifacts at once. */
  readonly parallelTransfers: number;
  /** Time that the last upload has once the attempt was told to stop, ms. */
  readonly stopUploadMs: number;
  readonly now: () => number;
}

/** Aborts `ms` after `signal` did: what may still be done when an attempt was told to stop. */
const graceAfter = (signal: AbortSignal, ms: number): { readonly signal: AbortSignal; readonly clear: () => void } => {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const start = () => {
    timer = setTimeout(() => {
      controller.abort(new AttemptError('store-fault', `not stored within ${String(ms)} ms of being told to stop`));
    }, ms);
  };
  if (signal.aborted) start();
  else signal.addEventListener('abort', start, { once: true });
  return {
    signal: controller.signal,
    clear: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', start);
    },
  };
};

/** Stores what one attempt makes, while it runs and at its end. */
const createStorer = (attempt: PreparedAttempt, use: StageOutContext) => {
  const grace = graceAfter(attempt.signal, use.stopUploadMs);
  const uploads: Uploads = createUploads(attempt, {
    locate: artifact => use.locate(artifact, attempt),
    emit: use.emit,
    parallel: use.parallelTransfers,
    signal: grace.signal,
  });
  let running: Promise<void> | undefined;

  const checkpoint = async (): Promise<void> => {
    const startedAtMs = use.now();
    try {
      const { artifacts, bytes } = await uploads.store({ patiently: false });
      if (artifacts.length === 0) return;
      use.emit('checkpointed', { artifacts, bytes, durationMs: use.now() - startedAtMs }, attempt.record);
    } catch (error) {
      use.emit('checkpoint-failed', { error: messageOf(error) }, attempt.record);
    }
  };

  return {
    /** At most one at a time: a snapshot that comes while one is being stored is left to the next. */
    checkpoint: () => {
      running ??= checkpoint().finally(() => {
        running = undefined;
      });
    },
    /** Everything, after a checkpoint that is under way. */
    finish: async (): Promise<void> => {
      await running;
      const startedAtMs = use.now();
      const { artifacts, bytes } = await uploads.store({ patiently: true });
      use.emit('stored', { artifacts, bytes, durationMs: use.now() - startedAtMs }, attempt.record);
    },
    close: grace.clear,
  };
};

/** Causes after which the results are somebody else's to store. */
const storesNothing = new Set(['lease-lost']);

/**
 * Store what an attempt makes: changed artifacts at each snapshot, everything at its end, `output` first, `_metadata` last.
 * In: ObservedAttempt, snapshots and then one with an end. Out: StoredAttempt, once.
 * Units: bytes, ms; archives are made while they are sent.
 * Errors: `store-fault` when it could not be stored; a checkpoint that fails is an event.
 * Source: spec "Checkpoints and stage-out".
 */
export const stageOut =
  (use: StageOutContext): OperatorFunction<ObservedAttempt, StoredAttempt> =>
  source =>
    new Observable<StoredAttempt>(subscriber => {
      let storer: ReturnType<typeof createStorer> | undefined;
      const subscription = source.subscribe({
        next: attempt => {
          storer ??= createStorer(attempt, use);
          const { end } = attempt;
          if (!end) {
            storer.checkpoint();
            return;
          }
          const stored = storesNothing.has(end.cause) ? Promise.resolve() : storer.finish();
          stored.then(
            () => {
              subscriber.next({ ...attempt, end });
              subscriber.complete();
            },
            (error: unknown) => {
              subscriber.error(asError(error));
            },
          );
        },
        error: error => {
          subscriber.error(error);
        },
      });
      return () => {
        subscription.unsubscribe();
        storer?.close();
      };
    });
