import { isStoreError, messageOf } from '../../errors.ts';
import type { PutOptions } from '../object-store.ts';
import { takeAway, type BegunUpload } from './take-away.ts';

/** Time for taking an unfinished upload away, once the upload itself has failed. */
const cleanUpMs = 5_000;
/** The same when this process ends. */
const lastMs = 2_000;
/** When it is tried again where its store is away: doubles, up to the most. */
const againMs = 1_000;
const mostAgainMs = 10 * 60_000;
/** Then the store is left with it. */
const giveUpMs = 24 * 60 * 60_000;

export interface AbandonedUpload extends BegunUpload {
  /** The store's name. */
  readonly store: string;
  readonly onLeft: PutOptions['onLeft'];
}

interface Left extends AbandonedUpload {
  readonly sinceMs: number;
  waitMs: number;
  timer?: NodeJS.Timeout;
  /** The try that is under way. */
  trying?: Promise<void> | undefined;
}

/** Unfinished uploads that could not be taken away when they failed: their store was away as well. */
const leftBehind = new Set<Left>();

/** What can't be taken away now is tried later, unless it is refused for good. */
const tryAgain = (left: Left, mostMs: number): Promise<void> => {
  clearTimeout(left.timer);
  const { UploadId: upload, onLeft } = left;
  const once = async () => {
    try {
      await takeAway(left, mostMs);
      leftBehind.delete(left);
      onLeft?.({ upload, state: 'removed' });
    } catch (error) {
      if (!isStoreError(error, 'unavailable') || Date.now() - left.sinceMs > giveUpMs) {
        leftBehind.delete(left);
        onLeft?.({ upload, state: 'given-up', error: messageOf(error) });
        return;
      }
      left.timer = setTimeout(() => void tryAgain(left, cleanUpMs), left.waitMs).unref();
      left.waitMs = Math.min(mostAgainMs, left.waitMs * 2);
    } finally {
      left.trying = undefined;
    }
  };
  return (left.trying ??= once());
};

/** Take one away now, or else later: when its store answers again. Never rejects. */
export const abandon = async (upload: AbandonedUpload): Promise<void> => {
  try {
    await takeAway(upload, cleanUpMs);
  } catch (error) {
    const { onLeft, UploadId } = upload;
    const isLater = isStoreError(error, 'unavailable');
    onLeft?.({ upload: UploadId, state: isLater ? 'left' : 'given-up', error: messageOf(error) });
    if (!isLater) return;
    const left: Left = { ...upload, sinceMs: Date.now(), waitMs: againMs };
    leftBehind.add(left);
    left.timer = setTimeout(() => void tryAgain(left, cleanUpMs), againMs).unref();
  }
};

/** Take away what earlier uploads to the same store left: it answers. Never rejects. */
export const takeLeftBehind = async (store: string): Promise<void> => {
  const here = [...leftBehind].filter(left => left.store === store);
  await Promise.all(here.map(left => tryAgain(left, cleanUpMs)));
};

/** The last try, for all, when nothing more is stored by this process. Never rejects. */
export const takeAllLeftBehind = async (): Promise<void> => {
  const all = [...leftBehind];
  await Promise.all(all.map(left => tryAgain(left, lastMs)));
  for (const left of all) {
    clearTimeout(left.timer);
    leftBehind.delete(left);
  }
};
