import { isStoreError, StoreError } from '../errors.ts';
import { inParts, piecesUntil, type Part, type Pieces } from '../flow/pieces.ts';
import type { ObjectInfo, ObjectStore, PutOptions } from './object-store.ts';
import { createS3Bucket } from './s3/bucket.ts';
import type { S3Bucket } from './s3/bucket.ts';
import { takeAllLeftBehind } from './s3/abandon.ts';
import { closeConnections } from './s3/clients.ts';
import type { S3Credentials } from './s3/clients.ts';
import { getObject } from './s3/get.ts';
import { listObjects } from './s3/list.ts';
import { putInParts } from './s3/multipart.ts';
import type { S3Tls } from './s3/tls.ts';

export interface S3Place {
  /** `http(s)://host[:port]`, addressed path style; absent: AWS itself in `region`. */
  readonly endpoint?: string;
  /** Where to begin; a bucket that is elsewhere is followed. */
  readonly region: string;
  readonly bucket: string;
  readonly credentials: S3Credentials;
  /** Where the system's authorities are not enough. */
  readonly tls?: S3Tls | undefined;
  /** Longer streams are stored in parts of this size, each held in memory; at least 5 MiB. Default 8 MiB: up to 78 GiB. */
  readonly partBytes?: number;
  /** Parts of one object that are under way at once. Default 2. */
  readonly parallelParts?: number;
  /** Time to connect, ms. Default 5,000. */
  readonly connectMs?: number;
  /** Time without any data, ms. Default 60,000. */
  readonly idleMs?: number;
}

const once = <T>(work: () => Promise<T>): Promise<T> => work();

const put = async (
  bucket: S3Bucket,
  store: string,
  key: string,
  body: Buffer | Pieces,
  options: PutOptions,
  { bucket: Bucket, partBytes = 8 * 2 ** 20, parallelParts = 2 }: S3Place,
): Promise<{ readonly etag: string | undefined }> => {
  const { ifMatch, ifNoneMatch, contentType = 'application/octet-stream', retry = once, onLeft } = options;
  const target = { Bucket, Key: key };
  const conditions = { 'if-match': ifMatch, 'if-none-match': ifNoneMatch };
  // Done twice, a condition would be broken by its own first success.
  const repeatable = ifMatch === undefined && ifNoneMatch === undefined;
  const putWhole = async (bytes: Buffer, signal: AbortSignal | undefined) => {
    const headers = { 'content-type': contentType, ...conditions };
    const request = { method: 'PUT', ...target, headers, body: bytes } as const;
    const reply = await bucket.exchange({ operation: 'put', key, signal, repeatable }, request);
    return { etag: reply.headers['etag'] };
  };
  if (Buffer.isBuffer(body)) return putWhole(body, options.signal);

  const control = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, control.signal]) : control.signal;
  const stop = (reason: unknown) => {
    control.abort(reason);
  };
  const parts = inParts(piecesUntil(body, signal), partBytes);
  try {
    const first = await parts.next();
    if (first.done) throw new StoreError('invalid', 'put failed: the stream gave nothing', { store, key });
    if (first.value.last) return await putWhole(first.value.bytes, signal);
    const all = async function* (): AsyncGenerator<Part> {
      yield first.value;
      yield* parts;
    };
    const upload = { bucket, target, key, store, contentType, conditions, signal, stop, retry, onLeft };
    return await putInParts({ ...upload, parallel: parallelParts }, all());
  } finally {
    await parts.return();
  }
};

/**
 * A bucket of an S3 service. Connections are kept and shared by all stores of this process, however many there are. A stream that
 * ends within one part is stored by one request, a longer one in parts.
 * Errors: StoreError with the service's own words; a stream's own error where that fails; the signal's reason.
 * Source: S3 API reference.
 */
export const createS3Store = (options: S3Place): ObjectStore => {
  const { endpoint, region, bucket, credentials, tls, connectMs = 5_000, idleMs = 60_000 } = options;
  const connection = { tls, connectMs, idleMs };
  const host = endpoint === undefined ? `s3.${region}.amazonaws.com` : new URL(endpoint).host;
  const name = `s3://${host}/${bucket}`;
  const calls = createS3Bucket({ endpoint, region, credentials, ...connection }, name);
  const checked = (operation: string, key: string): string => {
    const climbs = key.split('/').some(part => part === '.' || part === '..');
    if (key !== '' && !climbs && !key.includes('\0') && key.isWellFormed()) return key;
    throw new StoreError('invalid', `${operation} failed: not a key of an object`, { store: name, key });
  };
  return {
    name,
    get: async (key, signal, getOptions = {}) =>
      getObject(calls, { Bucket: bucket, Key: checked('get', key), store: name }, getOptions, signal, connection),
    put: async (key, body, putOptions = {}) => put(calls, name, checked('put', key), body, putOptions, options),
    list: (prefix, signal): AsyncIterable<ObjectInfo> =>
      listObjects(calls, { Bucket: bucket, store: name }, prefix, signal),
    delete: async (key, signal) => {
      const operation = 'delete';
      const request = { method: 'DELETE', Bucket: bucket, Key: checked(operation, key) } as const;
      try {
        await calls.exchange({ operation, key, signal, repeatable: true }, request);
      } catch (error) {
        if (!isStoreError(error, 'missing')) throw error;
      }
    },
  };
};

/**
 * Take away what uploads that failed have left, where their stores answer by now, and end the idle connections of all stores; those in
 * use end with their call.
 */
export const closeS3 = async (): Promise<void> => {
  await takeAllLeftBehind();
  closeConnections();
};
