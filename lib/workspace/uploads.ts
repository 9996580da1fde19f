import { from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import { AttemptError, messageOf, StoreError } from '../errors.ts';
import { createLimit } from '../flow/limit.ts';
import { counted } from '../flow/pieces.ts';
import type { PreparedAttempt } from '../model/attempt.ts';
import type { Artifact } from '../model/experiment.ts';
import type { ObjectLocation, PutOptions } from '../storage/object-store.ts';
import { withRetry, type RetryContext } from '../storage/retry.ts';
import type { Emit } from '../telemetry/events.ts';
import { createProgress } from '../telemetry/progress.ts';
import { isUnchanged, lookAt, type Look } from './changes.ts';
import { isDirectoryLabel } from './labels.ts';
import { hasFiles, listDirectory } from './list-directory.ts';
import { createMetadataFiles } from './metadata-files.ts';
import { archiveBytesOf, packDirectory } from './pack.ts';
import { transferFailure } from './transfer-failure.ts';

export interface UploadContext {
  /** Where an artifact is; undefined for one that is not stored. May throw. */
  readonly locate: (artifact: Artifact) => ObjectLocation | undefined;
  readonly emit: Emit;
  /** Artifacts at once, and files of _metadata. */
  readonly parallel: number;
  readonly signal: AbortSignal;
  /** The wall clock, which files' times are compared with, ms since the epoch. */
  readonly now: () => number;
}

/** What one round stored. */
export interface Stored {
  /** Labels. */
  readonly artifacts: readonly string[];
  readonly bytes: number;
}

/** Tries in all, and the longest wait between two, ms. */
export type Patience = Required<Pick<RetryContext, 'attempts' | 'maxMs'>>;

export interface StoreHow {
  /** How long a store that is away is waited for. */
  readonly patience: Patience;
  /** Labels; absent: every mutable artifact. */
  readonly due?: ReadonlySet<string> | undefined;
  /** Whether nobody looks for changes after this. */
  readonly isLast: boolean;
}

export interface Uploads {
  /**
   * Store what changed since it was last stored: `output` first, `_metadata` last. What did not change is neither read nor sent. One
   * that fails keeps none of the others from being stored. Calls must not overlap.
   * Errors: the first AttemptError, after everything was tried: `store-fault`, `access-denied`, `artifact-missing` (no bucket).
   */
  store(how: StoreHow): Promise<Stored>;
  /** Labels that the last call could not store. */
  unstored(): readonly string[];
}

/** What a job came to: undefined bytes where nothing had to be sent. */
interface Outcome {
  readonly label: string;
  readonly bytes?: number | undefined;
  readonly error?: unknown;
}

/** Keeps what was stored last, so that what did not change is not sent again. */
export const createUploads = (attempt: PreparedAttempt, use: UploadContext): Uploads => {
  const { request, workspace, record } = attempt;
  const { signal, emit } = use;
  const lastStored = new Map<string, Look>();
  const metadataFiles = createMetadataFiles(attempt, use.now);
  const parallel = Math.max(use.parallel, 1);
  /** Each file of _metadata that is on its way is held in memory, or open. */
  const limited = createLimit(parallel);
  const mutable = [...request.artifacts.values()].filter(one => one.mutable && isDirectoryLabel(one.label));

  const put = async (
    location: ObjectLocation,
    label: string,
    patience: Patience,
    work: (how: Pick<PutOptions, 'retry' | 'onLeft'>) => Promise<number>,
  ): Promise<number> => {
    const context = {
      emit,
      about: record,
      operation: 'put',
      object: `${location.store.name}/${location.key}`,
      ...patience,
      // They brought the inputs in.
      awaitsCredentials: true,
    };
    const onLeft: PutOptions['onLeft'] = left => {
      emit('upload-left', { object: context.object, ...left }, record);
    };
    const retryPiece: PutOptions['retry'] = async (piece, until) => {
      try {
        return await withRetry(piece, { ...context, signal: until });
      } catch (error) {
        // It was waited for long enough: the whole is not begun anew for it.
        if (!(error instanceof StoreError) || error.code !== 'unavailable') throw error;
        throw new AttemptError('store-fault', messageOf(error), {}, { cause: error });
      }
    };
    try {
      return await withRetry(() => work({ retry: retryPiece, onLeft }), { ...context, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw transferFailure(error, 'stage out', label, location);
    }
  };

  const storeDirectory = async (artifact: Artifact, { patience, isLast }: StoreHow): Promise<number | undefined> => {
    const { label } = artifact;
    const directory = workspace.directoryOf(label);
    const atMs = use.now();
    const found = await listDirectory(directory);
    if (!hasFiles(found)) return undefined;
    const look = lookAt(found, atMs);
    if (isUnchanged(lastStored.get(label), look, isLast)) return undefined;
    const location = use.locate(artifact);
    if (!location) return undefined;
    const { store, key } = location;
    let ready: Buffer | undefined;
    const bytes = await put(location, label, patience, async pieces => {
      const progress = createProgress({
        emit,
        about: record,
        operation: 'put',
        artifact: label,
        totalBytes: archiveBytesOf(found),
      });
      const packed = ready ?? (await packDirectory(directory, key, found, progress.add));
      if (!packed) return 0;
      if (Buffer.isBuffer(packed)) {
        ready = packed;
        await store.put(key, packed, { signal });
        return packed.length;
      }
      let sent = 0;
      await store.put(
        key,
        counted(packed, count => (sent += count)),
        { signal, ...pieces },
      );
      progress.end();
      return sent;
    });
    lastStored.set(label, look);
    return bytes;
  };

  /** One by one, as the client reads them. */
  const storeMetadata = async (artifact: Artifact, { patience, isLast }: StoreHow): Promise<number | undefined> => {
    const location = use.locate(artifact);
    if (!location) return undefined;
    const { store } = location;
    const sent = await Promise.allSettled(
      (await metadataFiles.list(isLast)).map(({ name, contentType, read, stored }) =>
        limited(async () => {
          const key = `metadata/${name}`;
          const bytes = await put({ store, key }, artifact.label, patience, async pieces => {
            const file = read();
            if (!file) return 0;
            await store.put(key, file.body, { signal, ...pieces, ...(contentType ? { contentType } : {}) });
            return file.sizeBytes;
          });
          stored();
          return bytes;
        }),
      ),
    );
    const failed = sent.find(one => one.status === 'rejected');
    if (failed) {
      // The directory may be kept for what could not be stored.
      metadataFiles.leaveCopy();
      throw failed.reason;
    }
    return sent.reduce((sum, one) => sum + (one.status === 'fulfilled' ? one.value : 0), 0);
  };

  const outcomes = (artifacts: readonly Artifact[], work: typeof storeDirectory, how: StoreHow) =>
    lastValueFrom(
      from(artifacts).pipe(
        mergeMap(async (artifact): Promise<Outcome> => {
          const { label } = artifact;
          try {
            return { label, bytes: await work(artifact, how) };
          } catch (error) {
            return { label, error };
          }
        }, parallel),
        toArray(),
      ),
    );

  const labelled = (isWanted: (label: string) => boolean) => mutable.filter(({ label }) => isWanted(label));
  let unstored: readonly string[] = [];
  const rounds = [
    { artifacts: labelled(label => label === 'output'), work: storeDirectory },
    { artifacts: labelled(label => label !== 'output' && label !== '_metadata'), work: storeDirectory },
    { artifacts: labelled(label => label === '_metadata'), work: storeMetadata },
  ];

  return {
    store: async how => {
      const done: Outcome[] = [];
      for (const { artifacts, work } of rounds) {
        const wanted = artifacts.filter(({ label }) => how.due?.has(label) !== false);
        if (wanted.length > 0) done.push(...(await outcomes(wanted, work, how)));
      }
      const failed = done.filter(({ error }) => error !== undefined);
      unstored = failed.map(({ label }) => label);
      if (failed.length > 0) throw failed[0]?.error;
      const sent = done.filter(({ bytes }) => bytes !== undefined);
      return { artifacts: sent.map(({ label }) => label), bytes: sent.reduce((sum, { bytes = 0 }) => sum + bytes, 0) };
    },
    unstored: () => unstored,
  };
};
