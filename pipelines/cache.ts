import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Options } from '../lib/config/options.ts';
import { messageOf, OptionsError } from '../lib/errors.ts';
import type { DiskShare } from '../lib/resources/part-disk.ts';
import type { Emit } from '../lib/telemetry/events.ts';
import { createArtifactCache, type ArtifactCache, type CacheContext } from '../lib/workspace/cache/artifact-cache.ts';
import { openOverlays } from '../lib/workspace/cache/overlay.ts';
import { placesIn } from '../lib/workspace/cache/places.ts';
import { heldBytes } from '../lib/workspace/cache/room.ts';
import { makeDirectorySync } from '../lib/workspace/make-directory.ts';

export interface OpenedCache {
  readonly cache: ArtifactCache;
  /** Its part of the disk that attempts are on; undefined where it is on another. */
  readonly onDisk: DiskShare | undefined;
}

/**
 * The cache that the options name.
 * @param mayMount whether a mount of this machine would be seen where an experiment runs, and its directory goes with it
 * Errors: OptionsError for a directory that is not there, or can't be used.
 */
export const openCache = async (
  { cacheDir, cacheSizeBytes, cacheCreate }: Options,
  home: string,
  mayMount: CacheContext['mayMount'],
  emit: Emit,
): Promise<OpenedCache | undefined> => {
  if (cacheDir === undefined || cacheSizeBytes === undefined) return undefined;
  const fault = (why: string) => new OptionsError([`--cache-dir (CACHE_DIR): ${cacheDir} ${why}`]);
  if (!existsSync(cacheDir) && !cacheCreate) throw fault('is not there; expected a directory, or CACHE_CREATE=true');
  try {
    makeDirectorySync(cacheDir);
    const overlays = await openOverlays(join(home, 'overlays'));
    if (!overlays) emit('cache-copies', { why: 'overlay file systems can not be mounted here' });
    const places = placesIn(cacheDir);
    const cache = await createArtifactCache({
      places,
      limitBytes: cacheSizeBytes,
      overlays,
      mayMount,
      emit,
      now: Date.now,
    });
    const sharesDisk = statSync(cacheDir).dev === statSync(home).dev;
    return { cache, onDisk: sharesDisk ? { limitBytes: cacheSizeBytes, heldBytes: heldBytes(places) } : undefined };
  } catch (error) {
    throw fault(`can not be used: ${messageOf(error)}`);
  }
};
