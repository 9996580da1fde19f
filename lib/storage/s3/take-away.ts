import { setTimeout as sleep } from 'node:timers/promises';
import { StoreError } from '../../errors.ts';
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

/**
 * Take an unfinished upload away, until the store says that there is none: a part that was under way when it was aborted may be
 * stored after that. Source: S3 API reference, AbortMultipartUpload.
 * Errors: StoreError, `unavailable` after `mostMs` as well.
 */
export const takeAway = async ({ bucket, target, key, UploadId }: BegunUpload, mostMs: number): Promise<void> => {
  const signal = AbortSignal.timeout(mostMs);
  let last: StoreError | undefined;
  try {
    for (let waitMs = 50; ; waitMs *= 2) {
      try {
        await bucket.call({ operation: 'put', key, signal, repeatable: true }, (sdk, client, options) =>
          client.send(new sdk.AbortMultipartUploadCommand({ ...target, UploadId }), options),
        );
        last = undefined;
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
