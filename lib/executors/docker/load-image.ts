import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AttemptError, messageOf } from '../../errors.ts';
import type { StagedAttempt } from '../../model/attempt.ts';
import type { ObjectLocation } from '../../storage/object-store.ts';
import { withRetry } from '../../storage/retry.ts';
import type { Emit } from '../../telemetry/events.ts';
import { transferFailure } from '../../workspace/transfer-failure.ts';
import type { ConnectedEngine } from './engine.ts';
import { untilThere, type EngineImage } from './image-names.ts';
import { loadArchive } from './load-archive.ts';

const repo = 'studioml-runner/archive';

/** Bring an image file from its store. Out: its path, in the runner's own directory of the attempt. Errors: as for artifacts. */
export const fetchImageFile = async (
  { store, key }: ObjectLocation,
  name: string,
  { signal, workspace, record }: StagedAttempt,
  emit: Emit,
): Promise<string> => {
  const file = join(workspace.runner, name);
  const object = `${store.name}/${key}`;
  const fetch = async () => {
    const { body } = await store.get(key, signal);
    await pipeline(body, createWriteStream(file), { signal });
  };
  try {
    await withRetry(fetch, { signal, emit, about: record, operation: 'get', object });
    return file;
  } catch (error) {
    signal.throwIfAborted();
    throw transferFailure(error, 'stage in', '_container', { store, key });
  }
};

/** The version of an object, as its store tells it. Errors: as for artifacts. */
const versionOf = async (location: ObjectLocation, signal: AbortSignal): Promise<string | undefined> => {
  try {
    const { body, etag } = await location.store.get(location.key, signal);
    body.destroy();
    return etag;
  } catch (error) {
    signal.throwIfAborted();
    throw transferFailure(error, 'stage in', '_container', location);
  }
};

/**
 * The image in an archive of `docker save` or `docker export`, brought to the engine once for each version of the object.
 * Errors: AttemptError `artifact-missing`, `access-denied`, `store-fault` of the store; `artifact-invalid` for what is no image;
 * `engine-fault`.
 */
export const loadImage = async (
  { docker, turns }: ConnectedEngine,
  location: ObjectLocation,
  attempt: StagedAttempt,
  emit: Emit,
): Promise<EngineImage> => {
  const { store, key } = location;
  const { signal } = attempt;
  const etag = await versionOf(location, signal);
  const tag = createHash('sha256')
    .update(JSON.stringify([store.name, key, etag]))
    .digest('hex');
  const name = `${repo}:${tag}`;
  const load = async (): Promise<void> => {
    const file = await fetchImageFile(location, 'image', attempt, emit);
    try {
      await turns.alone(() => loadArchive(docker, file, name));
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AttemptError) throw error;
      const where = { artifact: '_container', object: `${store.name}/${key}` };
      throw new AttemptError('artifact-invalid', `the archive holds no image: ${messageOf(error)}`, where, {
        cause: error,
      });
    } finally {
      await rm(file, { force: true });
    }
  };
  return turns.bring(name, signal, () => untilThere(docker, turns, name, load, etag === undefined));
};
