import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { StoreError } from '../../errors.ts';
import { orAborted } from '../../flow/wait.ts';
import type { PreparedAttempt } from '../../model/attempt.ts';
import { withLock } from '../../resources/lock.ts';
import { ownProcess } from '../../resources/process-identity.ts';
import type { ObjectLocation, StoredObject } from '../../storage/object-store.ts';
import type { Emit } from '../../telemetry/events.ts';
import type { DiskBudget } from '../disk-budget.ts';
import { removeTree } from '../remove-tree.ts';
import { copyTree } from './copy-tree.ts';
import { damageOf, makeDurable, readManifest, touch, treeOf, writeManifest, type Manifest } from './manifest.ts';
import type { Overlays } from './overlay.ts';
import { hashOf, type CachePlaces } from './places.ts';
import { makeRoom, openPlaces, retireEntry } from './room.ts';
import { markUse } from './users.ts';

export interface CacheContext {
  readonly places: CachePlaces;
  readonly limitBytes: number;
  /** Undefined where trees can only be copied. */
  readonly overlays: Overlays | undefined;
  /** Whether a mount of this machine would be seen where the experiment runs. */
  readonly mayMount: (attempt: PreparedAttempt) => boolean;
  readonly emit: Emit;
  readonly now: () => number;
}

/** An artifact that is to be there. */
export interface Wanted {
  readonly location: ObjectLocation;
  /** For events. */
  readonly artifact: string;
  /** What the same object becomes here that is another thing there. */
  readonly form: string;
  /** Empty; what it is brought to. */
  readonly directory: string;
  /** Bring an object to a directory. Out: the bytes counted. */
  readonly unpack: (object: StoredObject, directory: string, budget: DiskBudget) => Promise<number>;
  readonly budget: DiskBudget;
  readonly signal: AbortSignal;
  /** Who it is for; its scope holds what lasts as long as it. */
  readonly attempt: PreparedAttempt;
}

/** Keeps immutable artifacts, unpacked. */
export interface ArtifactCache {
  /**
   * Bring an artifact in, from the cache where it is there. The store is asked each time, with the credentials of this attempt, whether
   * the object is still the same. Out: the bytes that it counts, fetched or not.
   * Errors: those of the store, of `unpack` and of the file system; `out-of-disk`; the signal's reason.
   */
  bring(wanted: Wanted): Promise<number>;
}

/** Up to this size and number a tree is copied: that is quicker than a mount. */
const smallTreeBytes = 4 * 1024 * 1024;
const smallTreeCount = 100;

/** What there is for one location, marked as used until `release`. */
interface Found {
  readonly hash: string;
  readonly entry: string;
  readonly manifest: Manifest;
  readonly release: () => void;
}

/** Thrown when: an entry went or changed while it was given out. It is fetched again then. */
const isGone = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

export const createArtifactCache = async (use: CacheContext): Promise<ArtifactCache> => {
  const { places, limitBytes, overlays, emit, now } = use;
  await openPlaces(places);
  /** What is on its way in this process: others wait for that before they ask the lock. */
  const onTheirWay = new Map<string, Promise<unknown>>();

  /** What removes damaged entries that were in use when they were found to be. */
  const retired = new Map<string, (() => Promise<void>)[]>();

  const nameOf = ({ location: { store, key } }: Wanted) => `${store.name}/${key}`;
  const locationOf = (wanted: Wanted) => hashOf(nameOf(wanted), wanted.form);
  const hashFor = (wanted: Wanted, etag: string) => hashOf(nameOf(wanted), wanted.form, etag);
  const lastEtag = (wanted: Wanted): string | undefined => {
    try {
      return readFileSync(join(places.etags, locationOf(wanted)), 'utf8');
    } catch {
      return undefined;
    }
  };
  const noteEtag = (wanted: Wanted, etag: string) => {
    const draft = join(places.staging, `${ownProcess}~${randomUUID()}`);
    writeFileSync(draft, etag);
    renameSync(draft, join(places.etags, locationOf(wanted)));
  };

  const retire = async (hash: string) => {
    const remove = await retireEntry(places, hash);
    if (remove) retired.set(hash, [...(retired.get(hash) ?? []), remove]);
  };

  /** The entry of an etag, whole; a damaged one goes. */
  const find = async (wanted: Wanted, etag: string): Promise<Found | undefined> => {
    const hash = hashFor(wanted, etag);
    const entry = join(places.entries, hash);
    const release = markUse(places.users, hash);
    const manifest = readManifest(entry);
    const why = manifest ? await damageOf(entry, manifest) : undefined;
    if (manifest && why === undefined) return { hash, entry, manifest, release };
    release();
    if (why !== undefined) emit('cache-damaged', { object: nameOf(wanted), hash, why }, wanted.attempt.record);
    await retire(hash);
    return undefined;
  };

  /** Give an entry to an attempt so that nothing that happens to it there reaches the entry. */
  const give = async ({ hash, entry, manifest, release }: Found, wanted: Wanted): Promise<'overlay' | 'copy'> => {
    const { directory, attempt, signal } = wanted;
    const isSmall = manifest.bytes <= smallTreeBytes && manifest.count <= smallTreeCount;
    if (overlays && !isSmall && use.mayMount(attempt)) {
      const unmount = await overlays.mount(treeOf(entry), directory).catch(() => undefined);
      if (unmount) {
        attempt.scope.add(`cached ${wanted.artifact}`, async () => {
          await unmount();
          release();
          for (const remove of retired.get(hash) ?? []) await remove();
        });
        return 'overlay';
      }
    }
    try {
      await copyTree(treeOf(entry), directory, signal);
      return 'copy';
    } finally {
      release();
    }
  };

  const serve = async (found: Found, wanted: Wanted): Promise<'overlay' | 'copy'> => {
    wanted.budget.spend(found.manifest.bytes);
    try {
      touch(found.entry, now());
      return await give(found, wanted);
    } catch (error) {
      found.release();
      wanted.budget.refund(found.manifest.bytes);
      throw error;
    }
  };

  /** The bytes of an entry that the store says is the object; else the object, if it was asked for. */
  const ask = async (wanted: Wanted): Promise<{ readonly hit: number } | { readonly object: StoredObject }> => {
    const { location, signal } = wanted;
    const startedAtMs = now();
    const etag = lastEtag(wanted);
    const isThere = etag !== undefined && readManifest(join(places.entries, hashFor(wanted, etag))) !== undefined;
    // The question is on its way while the entry is looked at.
    const asked = location.store.get(location.key, signal, isThere ? { ifNoneMatch: etag } : {}).then(
      object => ({ object }),
      (error: unknown) => ({ error }),
    );
    const found = isThere ? await find(wanted, etag) : undefined;
    const answer = await asked;
    const isSame = 'error' in answer && answer.error instanceof StoreError && answer.error.code === 'precondition';
    if (!isSame || !found) {
      found?.release();
      if ('object' in answer) return answer;
      // It is the same, but what was kept of it is damaged.
      if (isSame && isThere) return { object: await location.store.get(location.key, signal) };
      throw answer.error;
    }
    const by = await serve(found, wanted);
    const { bytes } = found.manifest;
    const fields = { artifact: wanted.artifact, object: nameOf(wanted), hash: found.hash, bytes, by };
    emit('cache-hit', { ...fields, durationMs: now() - startedAtMs }, wanted.attempt.record);
    return { hit: bytes };
  };

  /** Unpack an object into the cache and give it out; one that can't be kept goes straight to the attempt. */
  const fill = async (object: StoredObject, wanted: Wanted): Promise<number> => {
    const { etag, sizeBytes = 0 } = object;
    const miss = (why: string, hash?: string) =>
      emit('cache-miss', { artifact: wanted.artifact, object: nameOf(wanted), hash, why }, wanted.attempt.record);
    const { directory, budget, signal } = wanted;
    if (etag === undefined || !(await makeRoom(places, sizeBytes, limitBytes, emit))) {
      miss(etag === undefined ? 'the store tells no etag' : 'there is no room that is not in use');
      return wanted.unpack(object, directory, budget);
    }
    const hash = hashFor(wanted, etag);
    miss('it was not there', hash);
    const staged = join(places.staging, `${ownProcess}~${randomUUID()}`);
    try {
      mkdirSync(treeOf(staged), { recursive: true });
      const bytes = await wanted.unpack(object, treeOf(staged), budget);
      if (!(await makeRoom(places, bytes, limitBytes, emit))) {
        await copyTree(treeOf(staged), directory, signal);
        return bytes;
      }
      const manifest = await writeManifest(staged, { object: nameOf(wanted), etag, bytes });
      touch(staged, now());
      const entry = join(places.entries, hash);
      // What stands there says nothing of itself: it would have been given out.
      await retire(hash);
      const release = markUse(places.users, hash);
      try {
        renameSync(staged, entry);
      } catch (error) {
        release();
        if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
        // Another process was as quick; what it has was looked at by nobody yet.
        await copyTree(treeOf(staged), directory, signal);
        return bytes;
      }
      noteEtag(wanted, etag);
      void makeDurable(entry).catch(() => undefined);
      await give({ hash, entry, manifest, release }, wanted);
      return bytes;
    } finally {
      await removeTree(staged);
    }
  };

  /** Nobody else fetches the same object meanwhile, in this process or another. */
  const alone = async <T>(wanted: Wanted, work: () => Promise<T>): Promise<T> => {
    const name = locationOf(wanted);
    for (let other = onTheirWay.get(name); other; other = onTheirWay.get(name)) {
      await orAborted(other, wanted.signal).catch(() => undefined);
      wanted.signal.throwIfAborted();
    }
    const own = withLock(join(places.locks, name), wanted.signal, work);
    onTheirWay.set(name, own);
    try {
      return await own;
    } finally {
      if (onTheirWay.get(name) === own) onTheirWay.delete(name);
    }
  };

  const bringOnce = async (wanted: Wanted): Promise<number> => {
    const etag = lastEtag(wanted);
    if (etag !== undefined && readManifest(join(places.entries, hashFor(wanted, etag)))) {
      const asked = await ask(wanted);
      if ('hit' in asked) return asked.hit;
      asked.object.body.destroy();
    }
    return alone(wanted, async () => {
      const asked = await ask(wanted);
      return 'hit' in asked ? asked.hit : fill(asked.object, wanted);
    });
  };

  return {
    bring: async wanted => {
      for (let tries = 0; ; tries++) {
        try {
          return await bringOnce(wanted);
        } catch (error) {
          if (!isGone(error) || tries > 2) throw error;
          await removeTree(wanted.directory);
          mkdirSync(wanted.directory);
        }
      }
    },
  };
};
