import { setTimeout as sleep } from 'node:timers/promises';
import { StoreError } from '../../errors.ts';
import type { S3Bucket } from './bucket.ts';
import type { Part } from './parts.ts';

/** What S3 allows. Source: S3 user guide, "Multipart upload limits". */
const maxParts = 10_000;
/** Time for taking an unfinished upload away, once the upload itself has failed. */
const cleanUpMs = 5_000;
/** Time for the reply that names a new upload, once that is aborted: without its name it could not be taken away. */
const nameMs = 1_000;

/** A signal that aborts `ms` after another one, with its reason. */
const later = (signal: AbortSignal, ms: number): { readonly signal: AbortSignal; readonly end: () => void } => {
  const control = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const onAbort = () => {
    timer = setTimeout(() => {
      control.abort(signal.reason);
    }, ms);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    signal: control.signal,
    end: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    },
  };
};

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
}

/** Begin an upload: its id. Once begun it is seen through to its id even when it is aborted meanwhile. */
const begin = async ({ bucket, target, key, store, contentType, signal }: MultipartUpload): Promise<string> => {
  signal.throwIfAborted();
  const patient = later(signal, nameMs);
  try {
    const { UploadId } = await bucket.call(
      { operation: 'put', key, signal: patient.signal, repeatable: false },
      (sdk, client, options) =>
        client.send(new sdk.CreateMultipartUploadCommand({ ...target, ContentType: contentType }), options),
    );
    if (UploadId === undefined) throw new StoreError('invalid', 'put failed: an upload got no id', { store, key });
    return UploadId;
  } finally {
    patient.end();
  }
};

/** Store parts as they come, `parallel` at once. Resolves with their etags; the first failure ends the others. */
const sendParts = async (
  { bucket, target, key, store, signal, stop, parallel }: MultipartUpload,
  UploadId: string,
  parts: AsyncIterable<Part>,
): Promise<readonly string[]> => {
  const etags: string[] = [];
  const underWay = new Set<Promise<void>>();
  const sendOne = async (PartNumber: number, Body: Buffer) => {
    const { ETag } = await bucket.call({ operation: 'put', key, signal, repeatable: true }, (sdk, client, options) =>
      client.send(new sdk.UploadPartCommand({ ...target, UploadId, PartNumber, Body }), options),
    );
    if (ETag === undefined) throw new StoreError('invalid', 'put failed: a part got no etag', { store, key });
    etags[PartNumber - 1] = ETag;
  };
  let count = 0;
  try {
    for await (const part of parts) {
      if (++count > maxParts) {
        throw new StoreError('invalid', `put failed: more than ${String(maxParts)} parts`, { store, key });
      }
      const work = sendOne(count, part.bytes).catch(stop);
      underWay.add(work);
      void work.then(() => underWay.delete(work));
      if (underWay.size >= parallel) await Promise.race(underWay);
      signal.throwIfAborted();
    }
    await Promise.all(underWay);
    signal.throwIfAborted();
    return etags;
  } catch (error) {
    stop(error);
    await Promise.all(underWay);
    throw error;
  }
};

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
      if (error instanceof StoreError && error.code === 'missing') return;
      throw error;
    }
    await sleep(waitMs, undefined, { signal });
  }
};

/**
 * Store an object in parts. Nothing of it is left when this fails: the parts are taken away again.
 * Source: S3 API reference, CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload.
 */
export const putInParts = async (
  upload: MultipartUpload,
  parts: AsyncIterable<Part>,
): Promise<{ readonly etag: string | undefined }> => {
  const { bucket, target, key, store, conditions, signal } = upload;
  const UploadId = await begin(upload);
  try {
    const etags = await sendParts(upload, UploadId, parts);
    const Parts = etags.map((ETag, i) => ({ ETag, PartNumber: i + 1 }));
    const input = { ...target, ...conditions, UploadId, MultipartUpload: { Parts } };
    const { ETag } = await bucket.call({ operation: 'put', key, signal, repeatable: false }, (sdk, client, options) =>
      client.send(new sdk.CompleteMultipartUploadCommand(input), options),
    );
    if (ETag === undefined) throw new StoreError('unavailable', 'put failed: an upload got no etag', { store, key });
    return { etag: ETag };
  } catch (error) {
    await takeAway(upload, UploadId).catch(() => undefined);
    throw error;
  }
};
