import { lstat, mkdir, readdir, rm, rmdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import type { Emit } from '../../telemetry/events.ts';
import { bringHome } from './home.ts';
import { claimsOf, isClaim, isMissing, pathsOf } from './paths.ts';

/** The claims of one runner. */
export interface ClaimsKeeper {
  /** A number that no other claim of this runner has. */
  nextNumber(): number;
  /** Watch a claim; `lose` is called when it is found gone. Returns how to stop. */
  hold(path: string, lose: (why: unknown) => void): () => void;
  /** Bring everything home that this runner still holds. Idempotent. */
  close(): Promise<void>;
}

export interface ClaimsSettings {
  readonly root: string;
  readonly runnerId: string;
  readonly leaseMs: number;
  readonly emit: Emit;
  readonly now: () => number;
}

const ignoreMissing = (error: unknown): void => {
  if (!isMissing(error)) throw error;
};

/**
 * The heartbeat of this runner's claims, and the way home for those of runners whose heart stopped: the modification time of a
 * runner's claim directory says when it was last heard of. A beat also looks whether each claim is still there: a machine that
 * was suspended for longer than the lease finds its work with others.
 */
export const keepClaims = ({ root, runnerId, leaseMs, emit, now }: ClaimsSettings): ClaimsKeeper => {
  const held = new Map<string, (why: unknown) => void>();
  let number = 0;
  const queuesWithClaims = () => readdir(claimsOf(root)).catch(() => []);

  const beat = async () => {
    const time = new Date(now());
    for (const queue of await queuesWithClaims()) {
      await utimes(join(claimsOf(root), queue, runnerId), time, time).catch(() => undefined);
    }
    for (const [path, lose] of held) {
      await lstat(path).catch((error: unknown) => {
        // Any other failure tells nothing about the claim.
        if (isMissing(error) && held.get(path) === lose) lose(error);
      });
    }
  };

  const reap = async (queue: string, runner: string) => {
    const { claims, queue: home } = pathsOf(root, queue, runner);
    const found = await stat(claims).catch(() => undefined);
    if (!found || now() - found.mtimeMs < leaseMs) return;
    // No message can come home to a queue that is not there; should it come back, they are still here.
    if (!(await stat(home).catch(() => undefined))) return;
    const names = await readdir(claims);
    // Several runners may look at once: who renames first brings it home.
    for (const name of names.filter(isClaim)) await bringHome(claims, home, name).catch(ignoreMissing);
    for (const name of names) if (!isClaim(name)) await rm(join(claims, name), { force: true });
    await rmdir(claims);
  };

  const look = async () => {
    for (const queue of await queuesWithClaims()) {
      const runners = await readdir(join(claimsOf(root), queue)).catch(() => []);
      for (const runner of runners) {
        if (runner === runnerId) continue;
        await reap(queue, runner).catch((error: unknown) => {
          if (isMissing(error)) return;
          const words = `a claim could not be brought home: ${messageOf(error)}`;
          emit('queue-fault', { error: words, retryMs: leaseMs / 3 }, { queue });
        });
      }
    }
  };

  // Two lines, so that a heartbeat never waits for somebody else's messages.
  const every = (ms: number, work: () => Promise<void>, first: Promise<void> = Promise.resolve()) => {
    let working = first;
    const timer = setInterval(() => {
      working = working.then(work);
    }, ms).unref();
    return async () => {
      clearInterval(timer);
      await working;
    };
  };
  const stops = [every(leaseMs / 9, beat), every(leaseMs / 3, look, look())];

  return {
    nextNumber: () => ++number,
    hold: (path, lose) => {
      held.set(path, lose);
      return () => {
        held.delete(path);
      };
    },
    close: async () => {
      await Promise.all(stops.map(stop => stop()));
      for (const queue of await queuesWithClaims()) {
        const { claims, queue: home } = pathsOf(root, queue, runnerId);
        for (const name of await readdir(claims).catch(() => [])) {
          if (isClaim(name)) await bringHome(claims, home, name).catch(() => undefined);
        }
        await rmdir(claims).catch(() => undefined);
        await rmdir(join(claimsOf(root), queue)).catch(() => undefined);
      }
      const gone = new Error('the runner lets go of its queues');
      for (const lose of held.values()) lose(gone);
    },
  };
};

/** Make the directory of a runner's claims on one queue; cheap where it is there. */
export const makeClaims = (claims: string): Promise<unknown> => mkdir(claims, { recursive: true });
