import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { from, lastValueFrom, mergeMap, type OperatorFunction, reduce } from 'rxjs';
import { AttemptError, StoreError } from '../errors.ts';
import type { PreparedAttempt, StagedAttempt } from '../model/attempt.ts';
import type { Artifact } from '../model/experiment.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import { withRetry } from '../storage/retry.ts';
import type { Emit } from '../telemetry/events.ts';
import { isDirectoryLabel } from '../workspace/labels.ts';
import { storeFile, unpackArchive } from '../workspace/unpack.ts';

export interface StageInContext {
  /** Where an artifact is; undefined for one that is not staged. */
  readonly locate: (artifact: Artifact, attempt: PreparedAttempt) => ObjectLocation | undefined;
  readonly emit: Emit;
  /** Artifacts at once. */
  readonly parallelTransfers: number;
  readonly now: () => number;
}

interface Input {
  readonly artifact: Artifact;
  readonly location: ObjectLocation;
  /** The part of the key up to its last slash. */
  readonly prefix: string;
}

/**
 * The keys below a prefix, by one call for all artifacts that share it; undefined where it can't be told. Most mutable artifacts
 * do not exist before the first attempt, and asking for each costs a call each.
 */
const keysBelow = async (
  { location, prefix }: Input,
  signal: AbortSignal,
): Promise<ReadonlySet<string> | undefined> => {
  const keys = new Set<string>();
  try {
    for await (const { key } of location.store.list(prefix, signal)) keys.add(key);
    return keys;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
};

const failure = (error: unknown, artifact: Artifact, key: string): AttemptError => {
  const where = { artifact: artifact.label, key };
  if (error instanceof AttemptError) {
    return new AttemptError(
      error.code,
      `stage in failed: ${error.message}`,
      { artifact: artifact.label },
      { cause: error },
    );
  }
  if (error instanceof StoreError) {
    const codes = {
      missing: 'artifact-missing',
      denied: 'access-denied',
      invalid: 'artifact-invalid',
      precondition: 'store-fault',
      unavailable: 'store-fault',
    } as const;
    return new AttemptError(codes[error.code], `stage in failed: ${error.message}`, where, { cause: error });
  }
  return new AttemptError('store-fault', 'stage in failed', where, { cause: error });
};

/** Bring one artifact in; the bytes written. A mutable one that is not there is an empty directory. */
const stageOne = async (
  { artifact, location }: Input,
  attempt: PreparedAttempt,
  use: StageInContext,
): Promise<number> => {
  const { workspace, signal, grant } = attempt;
  const { store, key } = location;
  const directory = workspace.directoryOf(artifact.label);
  const options = { signal, maxBytes: grant.amounts.diskBytes };
  let tried = false;
  try {
    return await withRetry(
      async () => {
        if (tried) await rm(directory, { recursive: true, force: true });
        tried = true;
        mkdirSync(directory, { recursive: true });
        const { body } = await store.get(key, signal);
        return await (artifact.unpack
          ? unpackArchive(body, directory, options)
          : storeFile(body, directory, key, options));
      },
      { signal, emit: use.emit, about: attempt.record, operation: 'get', object: `${store.name}/${key}` },
    );
  } catch (error) {
    signal.throwIfAborted();
    if (artifact.mutable && error instanceof StoreError && error.code === 'missing') return 0;
    throw failure(error, artifact, key);
  }
};

const inputsOf = (attempt: PreparedAttempt, use: StageInContext): Input[] =>
  [...attempt.request.artifacts.values()].flatMap(artifact => {
    if (!isDirectoryLabel(artifact.label)) return [];
    mkdirSync(attempt.workspace.directoryOf(artifact.label), { recursive: true });
    const location = use.locate(artifact, attempt);
    return location ? [{ artifact, location, prefix: location.key.slice(0, location.key.lastIndexOf('/') + 1) }] : [];
  });

/** Inputs that have to be asked for: those of shared prefixes only where the listing shows them. */
const stageAll = async (attempt: PreparedAttempt, use: StageInContext): Promise<number> => {
  const listings = new Map<string, Promise<ReadonlySet<string> | undefined>>();
  const inputs = inputsOf(attempt, use);
  const shared = Map.groupBy(
    inputs.filter(({ artifact, prefix }) => artifact.mutable && prefix !== ''),
    ({ location, prefix }) => `${location.store.name}\n${prefix}`,
  );
  const isAbsent = async (input: Input): Promise<boolean> => {
    const id = `${input.location.store.name}\n${input.prefix}`;
    if (!input.artifact.mutable || (shared.get(id)?.length ?? 0) < 2) return false;
    const listing = listings.get(id) ?? keysBelow(input, attempt.signal);
    listings.set(id, listing);
    const keys = await listing;
    return keys !== undefined && !keys.has(input.location.key);
  };
  return lastValueFrom(
    from(inputs).pipe(
      mergeMap(
        async input => ((await isAbsent(input)) ? 0 : stageOne(input, attempt, use)),
        Math.max(use.parallelTransfers, 1),
      ),
      reduce((total, bytes) => total + bytes, 0),
    ),
    { defaultValue: 0 },
  );
};

/**
 * Bring an attempt's input artifacts into its workspace.
 * In: PreparedAttempt, its grant held. Out: StagedAttempt, every input present and unpacked.
 * Units: bytes, ms; `parallelTransfers` artifacts at once; bytes go to disk, never whole into memory.
 * Errors: `artifact-missing`, `artifact-invalid`, `access-denied` (dead letter); `out-of-disk`; `store-fault` after retries
 * (given back).
 * Source: spec "Stage-in".
 */
export const stageIn = (use: StageInContext): OperatorFunction<PreparedAttempt, StagedAttempt> =>
  mergeMap(async attempt => {
    const startedAtMs = use.now();
    const bytes = await stageAll(attempt, use);
    attempt.signal.throwIfAborted();
    const stagedAtMs = use.now();
    const { size: artifacts } = attempt.request.artifacts;
    use.emit('staged', { artifacts, bytes, durationMs: stagedAtMs - startedAtMs }, attempt.record);
    return { ...attempt, stagedAtMs };
  });
