import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { ownProcess } from '../../resources/process-identity.ts';
import type { Emit } from '../../telemetry/events.ts';
import { removeAbandoned } from '../abandoned.ts';
import { removeTree } from '../remove-tree.ts';
import { readManifest, usedAtMs } from './manifest.ts';
import type { CachePlaces } from './places.ts';
import { isUsed } from './users.ts';

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

const setAside = (places: CachePlaces, hash: string): string | undefined => {
  const aside = join(places.removing, `${ownProcess}~${randomUUID()}`);
  try {
    renameSync(join(places.entries, hash), aside);
    return aside;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
};

const entriesIn = (places: CachePlaces) =>
  readdirSync(places.entries).map(hash => {
    const entry = join(places.entries, hash);
    return { hash, entry, bytes: readManifest(entry)?.bytes ?? 0, usedAtMs: usedAtMs(entry) };
  });

/**
 * Take an entry out: by a rename, so that nobody finds half of it. Users mark an entry first and then look whether it is there, so one
 * that was marked meanwhile is put back.
 * Out: whether it went.
 */
export const removeEntry = async (places: CachePlaces, hash: string): Promise<boolean> => {
  if (isUsed(places.users, hash)) return false;
  const aside = setAside(places, hash);
  if (aside === undefined) return true;
  const entry = join(places.entries, hash);
  if (isUsed(places.users, hash) && !existsSync(entry)) {
    renameSync(aside, entry);
    return false;
  }
  await removeTree(aside);
  return true;
};

/**
 * Take an entry out that must not be given to anybody any more, used or not: who has it keeps what he sees.
 * Out: undefined where nothing is left of it; else removes it when nobody uses it any more, to be called when a user goes.
 */
export const retireEntry = async (places: CachePlaces, hash: string): Promise<(() => Promise<void>) | undefined> => {
  const aside = setAside(places, hash);
  if (aside === undefined) return undefined;
  const remove = async () => {
    if (!isUsed(places.users, hash)) await removeTree(aside);
  };
  await remove();
  return existsSync(aside) ? remove : undefined;
};

/**
 * Make room for so many bytes under the limit: what was used longest ago goes first, what is in use stays.
 * Out: whether there is that room now.
 */
export const makeRoom = async (
  places: CachePlaces,
  bytes: number,
  limitBytes: number,
  emit: Emit,
): Promise<boolean> => {
  const entries = entriesIn(places).sort((a, b) => a.usedAtMs - b.usedAtMs);
  let held = entries.reduce((sum, one) => sum + one.bytes, 0);
  for (const one of entries) {
    if (held + bytes <= limitBytes) break;
    if (!(await removeEntry(places, one.hash))) continue;
    held -= one.bytes;
    emit('cache-evicted', { hash: one.hash, bytes: one.bytes });
  }
  return held + bytes <= limitBytes;
};

/** Bytes that entries hold. */
export const heldBytes = (places: CachePlaces): number => entriesIn(places).reduce((sum, one) => sum + one.bytes, 0);

/** Make the directories, and remove what processes left there that died. */
export const openPlaces = async (places: CachePlaces): Promise<void> => {
  for (const directory of Object.values(places)) mkdirSync(directory as string, { recursive: true, mode: 0o700 });
  for (const directory of [places.staging, places.removing]) await removeAbandoned(directory);
};
