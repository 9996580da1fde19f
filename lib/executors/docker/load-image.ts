import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type Dockerode from 'dockerode';
import { AttemptError, messageOf } from '../../errors.ts';
import type { StagedAttempt } from '../../model/attempt.ts';
import type { ObjectLocation } from '../../storage/object-store.ts';
import { withRetry } from '../../storage/retry.ts';
import type { Emit } from '../../telemetry/events.ts';
import { transferFailure } from '../../workspace/transfer-failure.ts';
import { statusOf } from './engine.ts';

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

interface EngineLine {
  readonly stream?: string;
  readonly status?: string;
  readonly error?: string;
}

/** The lines of an engine's reply. Errors: the engine's, in its words. */
const linesOf = async (reply: unknown): Promise<readonly EngineLine[]> => {
  const lines = (await text(reply as Readable)).split('\n').filter(line => line.trim() !== '');
  const parsed = lines.map(line => JSON.parse(line) as EngineLine);
  const failed = parsed.find(({ error }) => error !== undefined);
  if (failed) throw new Error(failed.error);
  return parsed;
};

const isThere = (docker: Dockerode, name: string): Promise<boolean> =>
  docker
    .getImage(name)
    .inspect()
    .then(
      () => true,
      () => false,
    );

/** Every name that the engine has for an image, with the image's id. */
const namesOf = async (docker: Dockerode): Promise<ReadonlyMap<string, string>> => {
  const images = await docker.listImages();
  return new Map(images.flatMap(({ Id, RepoTags }) => (RepoTags ?? []).map(name => [name, Id] as const)));
};

/** Let a name that came with an archive stand for what it stood for before: another request means that by it. */
const restoreName = async (docker: Dockerode, name: string, before: string | undefined): Promise<void> => {
  if (before === undefined) {
    await docker.getImage(name).remove({ noprune: true });
    return;
  }
  const colon = name.lastIndexOf(':');
  await docker.getImage(before).tag({ repo: name.slice(0, colon), tag: name.slice(colon + 1) });
};

/** `docker load`. Out: whether the archive was one of `docker save`. */
const load = async (docker: Dockerode, file: string, tag: string): Promise<boolean> => {
  const before = await namesOf(docker);
  let lines: readonly EngineLine[];
  try {
    lines = await linesOf(await docker.loadImage(createReadStream(file), { quiet: true }));
  } catch (error) {
    // Not an archive of that kind: the engine has answered.
    if (statusOf(error) !== undefined || !('code' in (error as object))) return false;
    throw error;
  }
  const said = lines.flatMap(({ stream = '' }) => /Loaded image(?: ID)?: (\S+)/.exec(stream)?.[1] ?? []);
  const [first] = said;
  if (first === undefined) return false;
  await docker.getImage(first).tag({ repo, tag });
  for (const name of said) if (!name.startsWith('sha256:')) await restoreName(docker, name, before.get(name));
  return true;
};

/**
 * The image in an archive of `docker save` or `docker export`, brought to the engine once for each version of the object.
 * Out: its name for the engine.
 * Errors: AttemptError `artifact-missing`, `access-denied`, `store-fault` of the store; `artifact-invalid` for what is no image.
 */
export const loadImage = async (
  docker: Dockerode,
  location: ObjectLocation,
  attempt: StagedAttempt,
  emit: Emit,
): Promise<string> => {
  const { store, key } = location;
  let etag: string | undefined;
  try {
    const object = await store.get(key, attempt.signal);
    object.body.destroy();
    ({ etag } = object);
  } catch (error) {
    attempt.signal.throwIfAborted();
    throw transferFailure(error, 'stage in', '_container', location);
  }
  const tag = createHash('sha256')
    .update(JSON.stringify([store.name, key, etag]))
    .digest('hex');
  const name = `${repo}:${tag}`;
  if (etag !== undefined && (await isThere(docker, name))) return name;
  const file = await fetchImageFile(location, 'image', attempt, emit);
  try {
    if (!(await load(docker, file, tag))) {
      await linesOf(await docker.importImage(createReadStream(file), { repo, tag }));
    }
    return name;
  } catch (error) {
    attempt.signal.throwIfAborted();
    const where = { artifact: '_container', object: `${store.name}/${key}` };
    throw new AttemptError('artifact-invalid', `the archive holds no image: ${messageOf(error)}`, where, {
      cause: error,
    });
  } finally {
    await rm(file, { force: true });
  }
};
