import { statfsSync } from 'node:fs';
import { diskUsage } from './disk-usage.ts';

/** A walk may take this share of the time. */
const walkShare = 0.02;
/** What was freed by others hides what this one wrote: so now and then it is walked whatever the disk says. */
const longestBetweenMs = 30_000;
const shortestBetweenMs = 1000;
/** Entries of the look at the end: it must not take longer than what it is the end of. */
const lastLookEntries = 20_000;

/** What one attempt takes of the disk, looked at as seldom as can be. */
export interface DiskWatch {
  /** The most seen so far, bytes. */
  readonly peakBytes: number;
  /** Look if it could have come to its limit since the last time; costs one statfs where it couldn't. Never overlaps. */
  look(): Promise<void>;
  /** A last look, for the peak of those that never came to one: who has ended is not stopped any more. */
  finish(): Promise<void>;
}

const freeBytesOf = (directory: string): number => {
  try {
    const { bfree, bsize } = statfsSync(directory);
    return bfree * bsize;
  } catch {
    return 0;
  }
};

/**
 * @param limitBytes 0: none, then only the last look is taken
 * @param onExceeded hears once how much it is
 * @param nowMs a clock that only goes forward
 */
export const createDiskWatch = (
  directory: string,
  limitBytes: number,
  onExceeded: (usedBytes: number) => void,
  nowMs: () => number = () => performance.now(),
): DiskWatch => {
  let peakBytes = 0;
  let usedBytes = 0;
  let freeAtWalk = freeBytesOf(directory);
  let walkedAtMs = nowMs();
  let pauseMs = 0;
  let walking: Promise<void> | undefined;
  let isTold = false;

  const walk = async (mostEntries?: number): Promise<void> => {
    const startedAtMs = nowMs();
    const free = freeBytesOf(directory);
    const found = await diskUsage(directory, mostEntries);
    if (found.complete) {
      usedBytes = found.bytes;
      freeAtWalk = free;
    }
    peakBytes = Math.max(peakBytes, found.bytes);
    walkedAtMs = nowMs();
    pauseMs = (walkedAtMs - startedAtMs) / walkShare;
    if (limitBytes === 0 || isTold || peakBytes <= limitBytes) return;
    isTold = true;
    onExceeded(peakBytes);
  };
  const isDue = (): boolean => {
    const sinceMs = nowMs() - walkedAtMs;
    if (limitBytes === 0 || isTold || sinceMs < Math.max(shortestBetweenMs, pauseMs)) return false;
    const mostBytes = usedBytes + Math.max(0, freeAtWalk - freeBytesOf(directory));
    return mostBytes > limitBytes || sinceMs > Math.max(longestBetweenMs, pauseMs);
  };
  return {
    get peakBytes() {
      return peakBytes;
    },
    look: async () => {
      if (walking || !isDue()) return;
      walking = walk().finally(() => {
        walking = undefined;
      });
      await walking;
    },
    finish: async () => {
      await walking;
      if (!isTold) await walk(lastLookEntries);
    },
  };
};
