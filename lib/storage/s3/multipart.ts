import { StoreError } from '../../errors.ts';
import type { S3Client } from './client.ts';
import type { Part } from './parts.ts';
import { escaped, textOf } from './xml.ts';
import { refusal } from './errors.ts';

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

/** Begin an upload: its id. Once begun it is seen through to its id even when it is aborted meanwhile. */
const begin = async ({ client, key, store, contentHeaders, signal }: MultipartUpload): Promise<string> => {
  signal.throwIfAborted();
  const patient = later(signal, nameMs);
  try {
    const { text } = await client.text({
      operation: 'put',
      method: 'POST',
      key,
      query: { uploads: '' },
      headers: contentHeaders,
      signal: patient.signal,
      repeatable: false,
    });
    const uploadId = textOf(text, 'UploadId');
    if (uploadId === undefined) throw new StoreError('invalid', 'put failed: an upload got no id', { store, key });
    return uploadId;
  } finally {
    patient.end();
  }
};

export interface MultipartUpload {
  readonly client: S3Client;
  readonly key: string;
  readonly store: string;
  readonly contentHeaders: Readonly<Record<string, string>>;
  readonly conditionHeaders: Readonly<Record<string, string>>;
  /** Ends everything, the reading of the parts too; `stop` makes it abort with that reason. */
  readonly signal: AbortSignal;
  readonly stop: (reason: unknown) => void;
  /** Parts under way at once; each is held in memory. */
  readonly parallel: number;
}

const manifest = (etags: readonly string[]): Buffer =>
  Buffer.from(
    `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${etags
      .map((etag, i) => `<Part><PartNumber>${String(i + 1)}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`)
      .join('')}</CompleteMultipartUpload>`,
  );

/** Store parts as they come, `parallel` at once. Resolves with their etags; the first failure ends the others. */
const sendParts = async (
  { client, key, store, signal, stop, parallel }: MultipartUpload,
  uploadId: string,
  parts: AsyncIterable<Part>,
): Promise<readonly string[]> => {
  const etags: string[] = [];
  const underWay = new Set<Promise<void>>();
  const sendOne = async (number: number, body: Buffer) => {
    const query = { partNumber: String(number), uploadId };
    const { response } = await client.text({
      operation: 'put',
      method: 'PUT',
      key,
      query,
      body,
      signal,
      repeatable: true,
    });
    const etag = response.headers.etag;
    if (etag === undefined) throw new StoreError('invalid', 'put failed: a part got no etag', { store, key });
    etags[number - 1] = etag;
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
 * Store an object in parts. Nothing of it is left when this fails: the parts are taken away again.
 * Source: S3 API reference, CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload.
 */
export const putInParts = async (
  upload: MultipartUpload,
  parts: AsyncIterable<Part>,
): Promise<{ readonly etag: string | undefined }> => {
  const { client, key, store, signal } = upload;
  const uploadId = await begin(upload);
  try {
    const etags = await sendParts(upload, uploadId, parts);
    const { text } = await client.text({
      operation: 'put',
      method: 'POST',
      key,
      query: { uploadId },
      headers: { 'content-type': 'application/xml', ...upload.conditionHeaders },
      body: manifest(etags),
      signal,
      repeatable: false,
    });
    // The service says 200 as soon as it begins to put the parts together, and may still fail.
    if (textOf(text, 'ETag') === undefined) throw refusal('put', 500, text, { store, key });
    return { etag: textOf(text, 'ETag') };
  } catch (error) {
    await client
      .text({
        operation: 'put',
        method: 'DELETE',
        key,
        query: { uploadId },
        signal: AbortSignal.timeout(cleanUpMs),
        repeatable: true,
      })
      .catch(() => undefined);
    throw error;
  }
};
