import { createHash } from 'node:crypto';
import { asBytes } from './byte-path.ts';
import type { Found } from './list-directory.ts';

/** A file system's clock goes in ticks of up to 10 ms, some (network, FAT) in whole seconds, which its times then show. */
const fineTickMs = 50;
const coarseTickMs = 2100;
/** A file that is written through memory shows only its first change until the system has written that, after 30 s and a bit. */
const writtenBackMs = 40_000;

/** How something looked when it was stored, or just before that. */
export interface Look {
  /** Equal for two looks between which nothing changed. */
  readonly fingerprint: string;
  /**
   * Whether a later change is sure to show: what changed just before the look could change again within the same tick of the
   * clock, and look the same.
   */
  readonly isSettled: boolean;
  /** The same for files that are mapped into memory: for the last look of all, after which nobody looks again. */
  readonly isWrittenBack: boolean;
}

/**
 * Names, sizes, times and inodes of what was found, without reading it.
 * @param atMs when the looking began, ms since the epoch
 */
export const lookAt = (found: readonly Found[], atMs: number): Look => {
  const hash = createHash('sha1');
  let newestMs = 0;
  for (const { path, type, sizeBytes, mode, mtimeMs, ctimeMs, inode } of found) {
    newestMs = Math.max(newestMs, ctimeMs);
    hash.update(`${path}\0${type} ${sizeBytes} ${mode} ${mtimeMs} ${ctimeMs} ${inode}\n`, asBytes);
  }
  const tickMs = newestMs % 1000 === 0 ? coarseTickMs : fineTickMs;
  return {
    fingerprint: hash.digest('hex'),
    isSettled: newestMs + tickMs < atMs,
    isWrittenBack: newestMs + writtenBackMs < atMs,
  };
};

/** Whether something is for certain what it was when it was stored. @param last how it looked then */
export const isUnchanged = (last: Look | undefined, now: Look, isLastLook: boolean): boolean =>
  last?.fingerprint === now.fingerprint && (isLastLook ? last.isWrittenBack : last.isSettled);
