import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import { AttemptError, messageOf } from '../errors.ts';
import type { PreparedAttempt } from '../model/attempt.ts';
import type { Artifact } from '../model/experiment.ts';
import { withoutCredentials } from '../request/without-credentials.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import { withRetry } from '../storage/retry.ts';
import type { Emit } from '../telemetry/events.ts';
import { isDirectoryLabel } from './labels.ts';
import { fingerprintOf, listDirectory, packDirectory } from './pack.ts';

export interface UploadContext {
  readonly locate: (artifact: Artifact) => ObjectLocation | undefined;
  readonly emit: Emit;
  readonly parallel: number;
  readonly signal: AbortSignal;
}

/** What one round stored. */
export interface Stored {
  /** Labels. */
  readonly artifacts: readonly string[];
  readonly bytes: number;
}

export interface Uploads {
  /**
   * Store every mutable artifact that changed since it was last stored.
   * @param how `patiently`: a store that is away is waited for, for about an hour
   * Errors: AttemptError `store-fault`.
   */
  store(how: { readonly patiently: boolean }): Promise<Stored>;
}

/** With waits of up to 30 s, half of that on average. */
const patientTries = 250;
const hastyTries = 3;

/** Keeps what was stored last, so that what did not change is not sent again. Calls must not overlap. */
export const createUploads = (attempt: PreparedAttempt, use: UploadContext): Uploads => {
  const { request, workspace, document, identity, record } = attempt;
  const lastStored = new Map<string, string>();
  const mutable = [...request.artifacts.values()].filter(one => one.mutable && isDirectoryLabel(one.label));

  const put = async (location: ObjectLocation, patiently: boolean, work: () => Promise<unknown>): Promise<void> => {
    const object = `${location.store.name}/${location.key}`;
    try {
      await withRetry(work, {
        signal: use.signal,
        emit: use.emit,
        about: record,
        operation: 'put',
        object,
        attempts: patiently ? patientTries : hastyTries,
        maxMs: 30_000,
      });
    } catch (error) {
      if (error instanceof AttemptError) throw error;
      throw new AttemptError('store-fault', `stage out failed: ${messageOf(error)}`, { object }, { cause: error });
    }
  };

  const storeDirectory = async (artifact: Artifact, patiently: boolean): Promise<number | undefined> => {
    const location = use.locate(artifact);
    if (!location) return undefined;
    const directory = workspace.directoryOf(artifact.label);
    const found = await listDirectory(directory);
    if (!found.some(one => one.type !== 'directory')) return undefined;
    const fingerprint = fingerprintOf(found);
    if (lastStored.get(artifact.label) === fingerprint) return undefined;
    let bytes = 0;
    await put(location, patiently, async () => {
      bytes = 0;
      const packed = await packDirectory(directory, location.key, found);
      if (!packed) return;
      const counted = packed.pipe(
        new Transform({
          transform(chunk: Buffer, _encoding, done) {
            bytes += chunk.length;
            done(null, chunk);
          },
        }),
      );
      packed.once('error', error => counted.destroy(error));
      await location.store.put(location.key, counted, { signal: use.signal });
    });
    lastStored.set(artifact.label, fingerprint);
    return bytes;
  };

  /** Files of _metadata go up one by one, the runner's own two made in memory. */
  const storeMetadata = async (artifact: Artifact, patiently: boolean): Promise<number | undefined> => {
    const location = use.locate(artifact);
    if (!location) return undefined;
    const files: (readonly [name: string, body: Buffer])[] = [
      [`scrape-host-${identity.accession}.json`, document.serialize()],
    ];
    for (const { path, type } of await listDirectory(workspace.metadata)) {
      if (type !== 'file' || path.includes('/')) continue;
      const body = await readFile(join(workspace.metadata, path)).catch(() => undefined);
      if (body) files.push([path, body]);
    }
    // The request does not change: once is enough.
    if (!lastStored.has('request')) {
      files.push([
        `request-host-${identity.accession}.json`,
        Buffer.from(JSON.stringify(withoutCredentials(request.raw))),
      ]);
    }
    const { store } = location;
    await Promise.all(
      files.map(([name, body]) => {
        const key = `metadata/${name}`;
        return put({ store, key }, patiently, () =>
          store.put(key, body, { signal: use.signal, contentType: 'application/json' }),
        );
      }),
    );
    lastStored.set('request', '');
    return files.reduce((sum, [, body]) => sum + body.length, 0);
  };

  const round = async (
    artifacts: readonly Artifact[],
    work: (artifact: Artifact) => Promise<number | undefined>,
  ): Promise<Stored> => {
    const stored = await lastValueFrom(
      from(artifacts).pipe(
        mergeMap(async artifact => ({ label: artifact.label, bytes: await work(artifact) }), use.parallel),
        toArray(),
      ),
    );
    const sent = stored.filter(one => one.bytes !== undefined);
    return { artifacts: sent.map(one => one.label), bytes: sent.reduce((sum, one) => sum + (one.bytes ?? 0), 0) };
  };

  return {
    store: async ({ patiently }) => {
      const directory = (artifact: Artifact) => storeDirectory(artifact, patiently);
      const isOutput = (artifact: Artifact) => artifact.label === 'output';
      const isMetadata = (artifact: Artifact) => artifact.label === '_metadata';
      const rounds = [
        await round(mutable.filter(isOutput), directory),
        await round(
          mutable.filter(one => !isOutput(one) && !isMetadata(one)),
          directory,
        ),
        await round(mutable.filter(isMetadata), artifact => storeMetadata(artifact, patiently)),
      ];
      return {
        artifacts: rounds.flatMap(one => one.artifacts),
        bytes: rounds.reduce((sum, one) => sum + one.bytes, 0),
      };
    },
  };
};
