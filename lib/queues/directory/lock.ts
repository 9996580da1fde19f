import { open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Emit } from '../../telemetry/events.ts';
import { lockName } from './paths.ts';

/** Much longer than any client writes. Source: spec "Local directory". */
const staleMs = 30_000;

/** What a runner's own lock says: one that died while it claimed leaves a lock that any runner may remove. */
const mark = 'studioml-runner';

export interface QueueLock {
  /** Whether somebody writes right now. A lock that is stale is told once and passed over; a runner's is removed too. */
  isHeld(): Promise<boolean>;
  /** Take it for as long as `work` takes; undefined where somebody else holds it. */
  with<T>(work: () => Promise<T>): Promise<T | undefined>;
}

/** The client's soft lock: a file made exclusively and removed after. */
export const createQueueLock = (directory: string, queue: string, emit: Emit, now: () => number): QueueLock => {
  const path = join(directory, lockName);
  let told = 0;

  const isHeld = async (): Promise<boolean> => {
    const found = await stat(path).catch(() => undefined);
    if (!found) return false;
    const ageMs = now() - found.mtimeMs;
    if (ageMs < staleMs) return true;
    if (told !== found.mtimeMs) {
      told = found.mtimeMs;
      emit('lock-stale', { path, ageMs }, { queue });
    }
    if (found.size === mark.length && (await readFile(path, 'utf8').catch(() => '')) === mark) {
      // Somebody else may have removed it and a client have made a new one meanwhile.
      const still = await stat(path).catch(() => undefined);
      if (still?.mtimeMs === found.mtimeMs && still.ino === found.ino) await rm(path, { force: true });
    }
    return false;
  };

  const take = async (): Promise<boolean> => {
    try {
      const file = await open(path, 'wx');
      try {
        await file.writeFile(mark);
      } finally {
        await file.close();
      }
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  };

  return {
    isHeld,
    with: async work => {
      const taken = await take();
      // A client's stale lock is not ours to remove: its writer may be slow. It is worked beside, as without a lock.
      if (!taken && (await isHeld())) return undefined;
      try {
        return await work();
      } finally {
        if (taken) await rm(path, { force: true });
      }
    },
  };
};
