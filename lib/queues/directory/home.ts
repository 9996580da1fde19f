import { lstat, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPast, type Past } from '../history.ts';
import { isMissing, messageName, pastOf } from './paths.ts';

/** A file's content; of one with more than `maxBytes` only how many it has, since nobody should have to hold them. */
export const readWithin = async (
  path: string,
  maxBytes: number,
): Promise<{ readonly body: Buffer; readonly unreadBytes?: number }> => {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    return size > maxBytes ? { body: Buffer.alloc(0), unreadBytes: size } : { body: await file.readFile() };
  } finally {
    await file.close();
  }
};

const unset: Past = { attempts: 0, history: [] };

/** Whether it says nothing, so that no file is needed for it. */
export const isUnset = ({ attempts, history, unplacedSinceMs, buriedAtMs }: Past): boolean =>
  attempts === 0 && history.length === 0 && unplacedSinceMs === undefined && buriedAtMs === undefined;

/** What travels with the message of this name; nothing where it is missing or makes no sense. */
export const readPastAt = async (directory: string, name: string): Promise<Past> => {
  try {
    return readPast(JSON.parse(await readFile(join(directory, pastOf(name)), 'utf8')) as Record<string, unknown>);
  } catch {
    return unset;
  }
};

/** Written whole or not at all. */
export const writePastAt = async (directory: string, name: string, past: Past): Promise<void> => {
  const path = join(directory, pastOf(name));
  const draft = `${path}.${String(process.pid)}`;
  await writeFile(draft, JSON.stringify(past));
  await rename(draft, path);
};

const isFree = async (path: string): Promise<boolean> =>
  lstat(path).then(
    () => false,
    (error: unknown) => {
      if (isMissing(error)) return true;
      throw error;
    },
  );

/** `name`, or `name.1`, `name.2` … where files of that name with these endings are there: a rename replaces what it finds. */
export const freeName = async (directory: string, name: string, endings: readonly string[] = ['']): Promise<string> => {
  for (let number = 0; ; number++) {
    const candidate = number === 0 ? name : `${name}.${String(number)}`;
    const free = await Promise.all(endings.map(ending => isFree(join(directory, candidate + ending))));
    if (free.every(Boolean)) return candidate;
  }
};

/** Move what travels with a message; there need not be any. */
export const movePast = (fromDirectory: string, from: string, toDirectory: string, to: string): Promise<void> =>
  rename(join(fromDirectory, pastOf(from)), join(toDirectory, pastOf(to))).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });

/**
 * Bring a message home from a claim. What travels with it comes first: seen without it, it would start uncounted. Dying in
 * between leaves the message claimed; when it comes home later it finds its past there. Rejects with ENOENT when the claim is
 * gone. A message of the same name that came meanwhile is left alone: this one gets a number.
 */
export const bringHome = async (claims: string, queue: string, claim: string): Promise<void> => {
  const home = await freeName(queue, messageName(claim));
  await movePast(claims, claim, queue, home);
  await rename(join(claims, claim), join(queue, home));
};
