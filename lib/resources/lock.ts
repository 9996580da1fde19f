import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../flow/wait.ts';
import { startTimeOf } from './process-identity.ts';

const lockLookMs = 100;
/** A lock that doesn't say who holds it after so long never will. */
const namelessMs = 10_000;

/**
 * Work while holding a lock that other processes see: a directory, and in it who holds it, so that one whose holder died is taken
 * over. Two that take over at the same moment may both work: what they do must bear that.
 * Errors: those of the work and of the file system; the signal's reason while waiting.
 */
export const withLock = async <T>(lock: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
  const own = `${String(process.pid)} ${String(startTimeOf(process.pid))}`;
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = await readFile(join(lock, 'holder'), 'utf8').catch(() => undefined);
    const [pid = '', started = ''] = holder?.split(' ') ?? [];
    const age = await stat(lock).then(
      info => Date.now() - info.mtimeMs,
      () => 0,
    );
    const dead = holder === undefined ? age > namelessMs : String(startTimeOf(Number(pid))) !== started;
    const aside = `${lock}.${randomUUID()}`;
    if (dead)
      await rename(lock, aside).then(
        () => rm(aside, { recursive: true, force: true }),
        () => undefined,
      );
    else await sleep(lockLookMs, signal);
  }
  try {
    await writeFile(join(lock, 'holder'), own);
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
};
