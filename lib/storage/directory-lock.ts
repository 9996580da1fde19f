import { open, rename, rm, stat } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { sleep } from '../flow/wait.ts';

/** A lock is held for a comparison and a rename. One this old belongs to a process that died. */
const staleMs = 10_000;
const pollMs = 5;

const take = async (file: string): Promise<boolean> => {
  try {
    await (await open(file, 'wx')).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
};

/** Take a lock away that nobody holds any more. Moving it first makes sure that one of several does it. */
const breakStale = async (file: string): Promise<void> => {
  const info = await stat(file).catch(() => undefined);
  if (info === undefined || Date.now() - info.mtimeMs < staleMs) return;
  const away = `${file}-${randomUUID()}`;
  await rename(file, away).catch(() => undefined);
  await rm(away, { force: true });
};

/**
 * Run work while a lock file is held, which all processes that use the directory see. A lock that a dead process left is
 * broken after 10 s. Errors: those of the work and of the file system; the signal's reason.
 */
export const withLockFile = async <T>(
  file: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> => {
  while (!(await take(file))) {
    await breakStale(file);
    await sleep(pollMs, signal);
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
};
