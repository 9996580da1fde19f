import { mkdirSync } from 'node:fs';
import { from, lastValueFrom, mergeMap, type OperatorFunction, toArray } from 'rxjs';
import { asError, isStoreError } from '../errors.ts';
import type { PreparedAttempt, StagedAttempt } from '../model/attempt.ts';
import type { Artifact } from '../model/experiment.ts';
import { endSpan } from '../output/bill.ts';
import type { ObjectLocation, StoredObject } from '../storage/object-store.ts';
import { withRetry } from '../storage/retry.ts';
import type { Emit } from '../telemetry/events.ts';
import type { ArtifactCache } from '../workspace/cache/artifact-cache.ts';
import { createDiskBudget, type DiskBudget } from '../workspace/disk-budget.ts';
import { isDirectoryLabel } from '../workspace/labels.ts';
import { findAbsent, type Placed } from '../workspace/absent-objects.ts';
import { removeTree } from '../workspace/remove-tree.ts';
import { transferFailure } from '../workspace/transfer-failure.ts';
import { bringIn } from '../workspace/unpack.ts';

export interface StageInContext {
  /** Where an artifact is; undefined for one that is not staged. May throw an AttemptError. */
  readonly locate: (artifact: Artifact, attempt: PreparedAttempt) => ObjectLocation | undefined;
  readonly emit: Emit;
  /** Artifacts at once. */
  readonly parallelTransfers: number;
  readonly now: () => number;
  /** Where immutable artifacts are kept between attempts. */
  readonly cache?: ArtifactCache | undefined;
  /** Disk that attempts without a grant of it may fill, bytes. */
  readonly mostDiskBytes: number;
}

/** The attempt as far as bringing in one artifact goes. */
interface Staging {
  readonly attempt: PreparedAttempt;
  readonly use: StageInContext;
  readonly budget: DiskBudget;
  readonly signal: AbortSignal;
}

/** Bring one artifact in; the bytes written. A mutable one that is not there is an empty directory. */
const stageOne = async ({ artifact, location }: Placed, staging: Staging): Promise<number> => {
  const { attempt, use, budget, signal } = staging;
  const { store, key } = location;
  const directory = attempt.workspace.directoryOf(artifact.label);
  const bring = (object: StoredObject, to: string): Promise<number> =>
    bringIn(object, artifact.unpack ? 'archive' : 'file', to, {
      signal,
      budget,
      name: key,
      // What an experiment made may hold links to where it ran; they lead nowhere by now.
      outwardLinks: artifact.mutable ? 'omit' : 'refuse',
    });
  const empty = async () => {
    await removeTree(directory);
    mkdirSync(directory);
  };
  let tries = 0;
  const work = async () => {
    if (tries++ > 0) await empty();
    const { cache } = use;
    if (!cache || artifact.mutable) return bring(await store.get(key, signal), directory);
    return cache.bring({
      location,
      artifact: artifact.label,
      form: artifact.unpack ? 'unpacked' : 'file',
      directory,
      unpack: bring,
      budget,
      signal,
      attempt,
    });
  };
  try {
    const object = `${store.name}/${key}`;
    return await withRetry(work, { signal, emit: use.emit, about: attempt.record, operation: 'get', object });
  } catch (error) {
    // What came in part would be stored over the whole.
    if (artifact.mutable) await empty();
    signal.throwIfAborted();
    if (artifact.mutable && isStoreError(error, 'missing')) return 0;
    throw transferFailure(error, 'stage in', artifact.label, location);
  }
};

/** What has to be asked for, its directories made; inputs that must be there first, since nothing is looked up before them. */
const inputsOf = (attempt: PreparedAttempt, use: StageInContext): Placed[] => {
  const inputs = [...attempt.request.artifacts.values()].flatMap(artifact => {
    if (!isDirectoryLabel(artifact.label)) return [];
    attempt.workspace.makeDirectory(artifact.label);
    const location = use.locate(artifact, attempt);
    return location ? [{ artifact, location }] : [];
  });
  return inputs.sort((a, b) => Number(a.artifact.mutable) - Number(b.artifact.mutable));
};

/** Everything at once. The first failure ends the others, and is told when nothing is written any more. */
const stageAll = async (attempt: PreparedAttempt, use: StageInContext): Promise<number> => {
  const failed = new AbortController();
  const signal = AbortSignal.any([attempt.signal, failed.signal]);
  const budget = createDiskBudget(attempt.grant.amounts.diskBytes || use.mostDiskBytes);
  const inputs = inputsOf(attempt, use);
  const isAbsent = findAbsent(inputs, signal);
  const bytes = await lastValueFrom(
    from(inputs).pipe(
      mergeMap(
        async input => {
          try {
            return (await isAbsent(input)) ? 0 : await stageOne(input, { attempt, use, budget, signal });
          } catch (error) {
            failed.abort(asError(error));
            return 0;
          }
        },
        Math.max(use.parallelTransfers, 1),
      ),
      toArray(),
    ),
  );
  attempt.signal.throwIfAborted();
  failed.signal.throwIfAborted();
  return bytes.reduce((sum, one) => sum + one, 0);
};

/**
 * Bring an attempt's input artifacts into its workspace.
 * In: PreparedAttempt, its grant held. Out: StagedAttempt, every input present and unpacked.
 * Units: bytes, ms; `parallelTransfers` artifacts at once; bytes go to disk, large ones never whole into memory.
 * Errors: `artifact-missing`, `artifact-invalid`, `access-denied` (dead letter); `out-of-disk` (counted); `store-fault` after
 * retries, `no-room` where the machine's disk is full (given back).
 * Source: spec "Stage-in".
 */
export const stageIn = (use: StageInContext): OperatorFunction<PreparedAttempt, StagedAttempt> =>
  mergeMap(async attempt => {
    const startedAtMs = use.now();
    const bytes = await stageAll(attempt, use);
    const stagedAtMs = use.now();
    endSpan(attempt.record, 'staged', stagedAtMs);
    const { size: artifacts } = attempt.request.artifacts;
    use.emit('staged', { artifacts, bytes, durationMs: stagedAtMs - startedAtMs }, attempt.record);
    return { ...attempt, stagedAtMs };
  });
