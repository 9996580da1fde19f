import { createHash } from 'node:crypto';
import { StoreError } from '../../errors.ts';
import type { Part } from '../../flow/pieces.ts';
import type { PutOptions } from '../object-store.ts';
import { abandon, takeLeftBehind } from './abandon.ts';
import type { S3Bucket } from './bucket.ts';
import { isGone } from './take-away.ts';

export interface MultipartUpload {
  readonly bucket: S3Bucket;
  readonly target: { readonly Bucket: string; readonly Key: string };
  /** For messages. */
  readonly store: string;
  readonly key: string;
  readonly contentType: string;
  /** Headers. */
  readonly conditions: { readonly 'if-match': string | undefined; readonly 'if-none-match': '*' | undefined };
  /** Ends everything, the reading of the parts too; `stop` makes it abort with that reason. */
  readonly signal: AbortSignal;
  readonly stop: (reason: unknown) => void;
  /** Parts under way at once; each is held in memory. */
  readonly parallel: number;
  /** Tries a part again. */
  readonly retry: NonNullable<PutOptions['retry']>;
  /** Told of an upload that can't be taken away. */
  readonly onLeft: PutOptions['onLeft'];
}

/** What S3 allows. Source: S3 user guide, "Multipart upload limits". */
const maxParts = 10_000;
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
  { bucket, target, key, store, signal, stop, parallel, retry }: MultipartUpload,
  UploadId: string,
  parts: AsyncIterable<Part>,
): Promise<readonly string[]> => {
  const etags: string[] = [];
  const underWay = new Set<Promise<void>>();
  const sendOne = async (number: number, body: Buffer) => {
    const query = { partNumber: String(number), uploadId: UploadId };
    const request = { method: 'PUT', ...target, query, body } as const;
    const sent = await retry(
      () =>
        bucket.exchange({ operation: 'put', key, signal, repeatable: true }, request).catch((error: unknown) => {
          if (isGone(error)) return error;
          throw error;
        }),
      signal,
    );
    if (sent instanceof StoreError) throw sent;
    const { etag } = sent.headers;
    if (etag === undefined) throw new StoreError('invalid', 'put failed: a part got no etag', { store, key });
    etags[number - 1] = etag;
  };
  let count = 0;
  try {
    for await (const part of parts) {
      if (++count > maxParts) {
        throw new StoreError('invalid', `put failed: more than ${String(maxParts)} parts`, { store, key });
      }
      const work = sendOne(count, part.bytes).then(part.release, stop);
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

/** What an object of these parts is called. Source: S3 user guide, "Checking object integrity", composite checksums. */
const etagOfParts = (etags: readonly string[]): string => {
  const md5s = etags.map(etag => Buffer.from(etag.replaceAll('"', ''), 'hex'));
  return `${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-${String(etags.length)}`;
};

/** Make the parts an object. One that was made although no reply came is found by its etag. */
const complete = async (
  { bucket, target, key, store, conditions, signal, retry }: MultipartUpload,
  UploadId: string,
  etags: readonly string[],
): Promise<string | undefined> => {
  const Parts = etags.map((ETag, i) => ({ ETag, PartNumber: i + 1 }));
  const { 'if-match': IfMatch, 'if-none-match': IfNoneMatch } = conditions;
  const input = { ...target, IfMatch, IfNoneMatch, UploadId, MultipartUpload: { Parts } };
  let isRepeated = false;
  return retry(async () => {
    const call = { operation: 'put', key, signal, repeatable: false };
    try {
      const { ETag } = await bucket.call(call, (sdk, client, options) =>
        client.send(new sdk.CompleteMultipartUploadCommand(input), options),
      );
      if (ETag === undefined) throw new StoreError('unavailable', 'put failed: an upload got no etag', { store, key });
      return ETag;
    } catch (error) {
      if (!isRepeated || !isGone(error)) throw error;
      const { headers } = await bucket.exchange(call, { method: 'HEAD', ...target });
      const { etag } = headers;
      if (etag?.includes(etagOfParts(etags)) !== true) throw error;
      return etag;
    } finally {
      isRepeated = true;
    }
  }, signal);
};

/**
 * Store an object in parts. Nothing of it is left when this fails: the parts are taken away again, where their store is away just then
 * as soon as it answers again.
 * Source: S3 API reference, CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload.
 */
export const putInParts = async (
  upload: MultipartUpload,
  parts: AsyncIterable<Part>,
): Promise<{ readonly etag: string | undefined }> => {
  const UploadId = await begin(upload);
  await takeLeftBehind(upload.store);
  try {
    return { etag: await complete(upload, UploadId, await sendParts(upload, UploadId, parts)) };
  } catch (error) {
    const { bucket, target, store, key, onLeft } = upload;
    await abandon({ bucket, target, store, key, onLeft, UploadId });
    throw error;
  }
};
