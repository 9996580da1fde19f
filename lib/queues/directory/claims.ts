import { mkdir, readdir, readFile, rename, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Emit } from '../../telemetry/events.ts';
import { messageOf } from '../../errors.ts';
import { readPast, type Past } from '../history.ts';
import { claimsOf, isMessage, pastOf, pathsOf } from './paths.ts';

const unset: Past = { attempts: 0, history: [] };

/** What travels with the message of this path. */
export const readPastAt = async (directory: string, name: string): Promise<Past> => {
  const text = await readFile(join(directory, pastOf(name)), 'utf8').catch(() => undefined);
  if (text === undefined) return unset;
  try {
    const { attempts, history } = JSON.parse(text) as Record<string, unknown>;
    return readPast(attempts, history);
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

/**
 * Bring a message home from a claim. What travels with it comes first: seen without it, it would start uncounted. Dying in
 * between leaves the message claimed, and it comes home later.
 */
export const bringHome = async (claims: string, queue: string, name: string): Promise<void> => {
  const past = pastOf(name);
  await rename(join(claims, past), join(queue, past)).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  });
  await rename(join(claims, name), join(queue, name));
};

export interface ClaimsKeeper {
  close(): Promise<void>;
}

export interface ClaimsSettings {
  readonly root: string;
  readonly runnerId: string;
  readonly leaseMs: number;
  readonly emit: Emit;
  readonly now: () => number;
}

/**
 * The heartbeat of this runner's claims, and the way home for those of runners whose heart stopped: the modification time of a
 * runner's claim directory says when it was last heard of.
 */
export const keepClaims = ({ root, runnerId, leaseMs, emit, now }: ClaimsSettings): ClaimsKeeper => {
  const queuesWithClaims = () => readdir(claimsOf(root)).catch(() => []);

  const beat = async () => {
    const time = new Date(now());
    for (const queue of await queuesWithClaims()) {
      await utimes(join(claimsOf(root), queue, runnerId), time, time).catch(() => undefined);
    }
  };

  const reap = async (queue: string, runner: string) => {
    const claims = join(claimsOf(root), queue, runner);
    const { queue: home } = pathsOf(root, queue, runner);
    const found = await stat(claims).catch(() => undefined);
    if (!found || now() - found.mtimeMs < leaseMs) return;
    for (const name of (await readdir(claims)).filter(isMessage)) {
      // Several runners may look at once: who renames first brings it home.
      await bringHome(claims, home, name).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      });
    }
    await rmdir(claims).catch(() => undefined);
  };

  const look = async () => {
    for (const queue of await queuesWithClaims()) {
      const runners = await readdir(join(claimsOf(root), queue)).catch(() => []);
      for (const runner of runners) {
        if (runner === runnerId) continue;
        await reap(queue, runner).catch((error: unknown) => {
          emit(
            'queue-fault',
            { error: `a claim could not be brought home: ${messageOf(error)}`, retryMs: leaseMs / 3 },
            { queue },
          );
        });
      }
    }
  };

  let working: Promise<void> = look();
  const every = (ms: number, work: () => Promise<void>) =>
    setInterval(() => {
      working = working.then(work);
    }, ms).unref();
  const timers = [every(leaseMs / 9, beat), every(leaseMs / 3, look)];
  return {
    close: async () => {
      timers.forEach(clearInterval);
      await working;
      for (const queue of await queuesWithClaims()) {
        const { claims, queue: home } = pathsOf(root, queue, runnerId);
        for (const name of await readdir(claims).catch(() => [])) {
          if (isMessage(name)) await bringHome(claims, home, name).catch(() => undefined);
        }
        await rmdir(claims).catch(() => undefined);
        await rmdir(join(claimsOf(root), queue)).catch(() => undefined);
      }
    },
  };
};

export const makeClaims = (claims: string): Promise<unknown> => mkdir(claims, { recursive: true });

export const dropClaim = async (claims: string, name: string): Promise<void> => {
  // The message first: a state file without a message means nothing.
  await rm(join(claims, name), { force: true });
  await rm(join(claims, pastOf(name)), { force: true });
};
