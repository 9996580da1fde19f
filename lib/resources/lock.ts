import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../flow/wait.ts';
import { beatMs, isOfLiving, ownProcess, silentMs } from './process-identity.ts';

const lockLookMs = 100;
/** A lock that doesn't say who holds it after so long never will. */
const namelessMs = 10_000;

/**
 * Work while holding a lock that other processes see: a directory, and in it who holds it, so that one whose holder died is taken
 * over. Two that take over at the same moment may both work: what they do must bear that.
 * Errors: those of the work and of the file system; the signal's reason while waiting.
 */
export const withLock = async <T>(lock: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = await readFile(join(lock, 'holder'), 'utf8').catch(() => undefined);
    const changedAtMs = await stat(lock).then(
      ({ mtimeMs }) => mtimeMs,
      () => Date.now(),
    );
    const dead =
      holder === undefined ? Date.now() - changedAtMs > namelessMs : !isOfLiving(holder, changedAtMs, silentMs);
    const aside = `${lock}.${randomUUID()}`;
    if (dead)
      await rename(lock, aside).then(
        () => rm(aside, { recursive: true, force: true }),
        () => undefined,
      );
    else await sleep(lockLookMs, signal);
  }
  const beat = setInterval(() => {
    const now = new Date();
    void utimes(lock, now, now).catch(() => undefined);
  }, beatMs).unref();
  try {
    await writeFile(join(lock, 'holder'), ownProcess);
    return await work();
  } finally {
    clearInterval(beat);
    await rm(lock, { recursive: true, force: true });
  }
};
