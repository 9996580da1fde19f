import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../flow/wait.ts';
import type { Emit } from '../../telemetry/events.ts';
import { responseQueueOf, type Reporter } from '../queue.ts';
import { createQueueLock } from './lock.ts';
import { isMissing } from './paths.ts';

/** Reports that may lie in a directory that nobody reads. */
const maxWaiting = 10_000;
/** Between two counts of them, reports. */
const countEvery = 500;
/** Before a lock that somebody holds is tried again, ms: soon, since a write takes no time, then ever later. */
const firstLockedMs = 10;
const maxLockedMs = 1000;

export interface DirectoryReporterSettings {
  readonly root: string;
  /** The work queue's name. */
  readonly name: string;
  readonly emit: Emit;
  readonly now: () => number;
}

/**
 * Reports as files of `<queue>_response`, where that directory is there. Written hidden and renamed in under the client's lock:
 * a client that reads under it sees whole files only. Source: spec "Local directory".
 */
export const createDirectoryReporter = ({ root, name, emit, now }: DirectoryReporterSettings): Reporter => {
  const response = responseQueueOf(name);
  const directory = join(root, response);
  const lock = createQueueLock(directory, response, emit, now);
  let sinceCount = 0;

  const refuseWhenFull = async (): Promise<void> => {
    if (sinceCount++ % countEvery !== 0) return;
    const { length } = await readdir(directory);
    if (length < maxWaiting) return;
    sinceCount = 0;
    throw new Error(`nobody reads ${directory}: ${String(length)} files wait in it`);
  };

  const underLock = async (work: () => Promise<void>, signal: AbortSignal): Promise<void> => {
    for (let waitMs = firstLockedMs; ; waitMs = Math.min(waitMs * 2, maxLockedMs)) {
      signal.throwIfAborted();
      const done = await lock.with(async () => {
        await work();
        return true;
      });
      if (done) return;
      await sleep(waitMs, signal);
    }
  };

  const publish = async (body: string, signal: AbortSignal): Promise<boolean> => {
    if (!(await stat(directory).catch(() => undefined))?.isDirectory()) return false;
    const file = randomUUID();
    const draft = join(directory, `.${file}`);
    try {
      await refuseWhenFull();
      await writeFile(draft, body);
      await underLock(() => rename(draft, join(directory, file)), signal);
      return true;
    } catch (error) {
      await rm(draft, { force: true });
      if (isMissing(error)) return false;
      throw error;
    }
  };
  return { publish };
};
