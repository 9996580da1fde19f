import { setTimeout as sleep } from 'node:timers/promises';
import { StoreError } from '../../errors.ts';
import type { PutOptions } from '../object-store.ts';
import type { S3Bucket } from './bucket.ts';

/** Time for taking an unfinished upload away, once the upload itself has failed. */
const cleanUpMs = 5_000;

export interface MultipartUpload {
  readonly bucket: S3Bucket;
  readonly target: { readonly Bucket: string; readonly Key: string };
  /** For messages. */
  readonly store: string;
  readonly key: string;
  readonly contentType: string;
  readonly conditions: { readonly IfMatch?: string; readonly IfNoneMatch?: string };
  /** Ends everything, the reading of the parts too; `stop` makes it abort with that reason. */
  readonly signal: AbortSignal;
  readonly stop: (reason: unknown) => void;
  /** Parts under way at once; each is held in memory. */
  readonly parallel: number;
  /** Tries a part again. */
  readonly retry: NonNullable<PutOptions['retry']>;
}

/** Unfinished uploads that could not be taken away when they failed, by store and key: their store was away as well. */
const leftBehind = new Map<string, Set<string>>();
const placeOf = ({ store, key }: MultipartUpload): string => `${store}\n${key}`;

/** Whether the store knows nothing of the upload any more: then it is no use to try one part again. */
export const isGone = (error: unknown): error is StoreError =>
  error instanceof StoreError && (error.reason === 'NoSuchUpload' || error.code === 'missing');

/**
 * Take an unfinished upload away, until the store says that there is none: a part that was under way when it was aborted may be
 * stored after that. Source: S3 API reference, AbortMultipartUpload.
 */
const takeAway = async ({ bucket, target, key }: MultipartUpload, UploadId: string): Promise<void> => {
  const signal = AbortSignal.timeout(cleanUpMs);
  for (let waitMs = 50; ; waitMs *= 2) {
    try {
      await bucket.call({ operation: 'put', key, signal, repeatable: true }, (sdk, client, options) =>
        client.send(new sdk.AbortMultipartUploadCommand({ ...target, UploadId }), options),
      );
    } catch (error) {
      if (isGone(error)) return;
      if (!(error instanceof StoreError) || error.code !== 'unavailable') throw error;
    }
    await sleep(waitMs, undefined, { signal });
  }
};

/** Take one away now, or else when the next upload of the same object begins. Never rejects. */
export const abandon = async (upload: MultipartUpload, UploadId: string): Promise<void> => {
  const place = placeOf(upload);
  const left = leftBehind.get(place) ?? new Set();
  try {
    await takeAway(upload, UploadId);
    left.delete(UploadId);
  } catch {
    left.add(UploadId);
  }
  if (left.size > 0) leftBehind.set(place, left);
  else leftBehind.delete(place);
};

/** Take away what earlier uploads of the same object left. Never rejects. */
export const takeLeftBehind = async (upload: MultipartUpload): Promise<void> => {
  for (const left of [...(leftBehind.get(placeOf(upload)) ?? [])]) await abandon(upload, left);
};
