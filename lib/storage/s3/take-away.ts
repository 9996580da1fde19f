import { setTimeout as sleep } from 'node:timers/promises';
import { isStoreError, StoreError } from '../../errors.ts';
import type { S3Bucket } from './bucket.ts';

/** An upload in parts that was begun: what it takes to end it. */
export interface BegunUpload {
  readonly bucket: S3Bucket;
  readonly target: { readonly Bucket: string; readonly Key: string };
  readonly key: string;
  readonly UploadId: string;
}

/** Whether the store knows nothing of the upload any more: then it is no use to try one part again. */
export const isGone = (error: unknown): error is StoreError =>
  error instanceof StoreError && (error.reason === 'NoSuchUpload' || error.code === 'missing');

/** Whether its parts are gone. One that may not be looked at is taken for gone. Errors: StoreError `unavailable`. */
const hasNoParts = async ({ bucket, target, key, UploadId }: BegunUpload, signal: AbortSignal): Promise<boolean> => {
  try {
    await bucket.call({ operation: 'put', key, signal, repeatable: true }, (sdk, client, options) =>
      client.send(new sdk.ListPartsCommand({ ...target, UploadId, MaxParts: 1 }), options),
    );
    return false;
  } catch (error) {
    signal.throwIfAborted();
    if (isStoreError(error, 'unavailable') && !isGone(error)) throw error;
    return true;
  }
};

/**
 * Take an unfinished upload away, until the store says that there is none: a part that was under way when it was aborted may be
 * stored after that. MinIO lets uploads be aborted that it does not have, so it is asked for their parts.
 * Source: S3 API reference, AbortMultipartUpload; MinIO, AbortMultipartUploadHandler.
 * Errors: StoreError, `unavailable` after `mostMs` as well.
 */
export const takeAway = async (upload: BegunUpload, mostMs: number): Promise<void> => {
  const { bucket, target, key, UploadId } = upload;
  const signal = AbortSignal.timeout(mostMs);
  let last: StoreError | undefined;
  let isAborted = false;
  try {
    for (let waitMs = 50; ; waitMs *= 2) {
      try {
        await bucket.call({ operation: 'put', key, signal, repeatable: true }, (sdk, client, options) =>
          client.send(new sdk.AbortMultipartUploadCommand({ ...target, UploadId }), options),
        );
        last = undefined;
        if (isAborted && (await hasNoParts(upload, signal))) return;
        isAborted = true;
      } catch (error) {
        if (isGone(error)) return;
        if (!(error instanceof StoreError) || error.code !== 'unavailable') throw error;
        last = error;
      }
      await sleep(waitMs, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    throw last ?? new StoreError('unavailable', `not taken away within ${String(mostMs)} ms`, { key });
  }
};
