import type { IncomingMessage } from 'node:http';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { StoreError } from '../../errors.ts';
import { md5Check, md5OfPartsCheck } from '../checks.ts';
import type { BodyCheck, GetOptions, StoredObject } from '../object-store.ts';
import { bodyOf } from '../body.ts';
import type { S3Bucket } from './bucket.ts';
import { broken } from './errors.ts';

/** `"<md5>"`, or of an object stored in parts `"<md5 of their md5s>-<parts>"`. */
const digestEtag = /^"?([0-9a-f]{32})(?:-([1-9][0-9]*))?"?$/;

/** Where etags are no digests. Source: S3 API reference, "Object", ETag. */
const isOpaque = (output: GetObjectCommandOutput, bucket: string): boolean =>
  output.ServerSideEncryption?.startsWith('aws:kms') === true ||
  output.SSECustomerAlgorithm !== undefined ||
  bucket.endsWith('--x-s3');

/** `bytes 5-9/10` -> 10 */
const totalOf = (range: string): number | undefined => {
  const total = /^bytes \d+-\d+\/(\d+)$/.exec(range)?.[1];
  return total === undefined ? undefined : Number(total);
};

export interface ObjectName {
  readonly Bucket: string;
  readonly Key: string;
  /** The store's, for messages. */
  readonly store: string;
}

/** The size of the parts of an object, asked by its first one; undefined where the server can't tell it, or they differ. */
const partBytesOf = async (
  bucket: S3Bucket,
  { Bucket, Key }: ObjectName,
  { etag, sizeBytes, parts }: { readonly etag: string; readonly sizeBytes: number; readonly parts: number },
  signal: AbortSignal | undefined,
): Promise<number | undefined> => {
  if (parts === 1) return sizeBytes;
  try {
    const input = { Bucket, Key, PartNumber: 1, IfMatch: etag };
    const { ContentLength = 0 } = await bucket.call(
      { operation: 'get', key: Key, signal, repeatable: true },
      (sdk, client, sending) => client.send(new sdk.HeadObjectCommand(input), sending),
    );
    return ContentLength > 0 && Math.ceil(sizeBytes / ContentLength) === parts ? ContentLength : undefined;
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
};

/** How the body is compared with its etag; undefined where that says nothing of it. */
const checkOf = async (
  bucket: S3Bucket,
  name: ObjectName,
  output: GetObjectCommandOutput,
  signal: AbortSignal | undefined,
): Promise<BodyCheck | undefined> => {
  const { ETag: etag = '', ContentLength: sizeBytes } = output;
  const [, md5, parts] = digestEtag.exec(etag) ?? [];
  if (md5 === undefined || sizeBytes === undefined || isOpaque(output, name.Bucket)) return undefined;
  if (parts === undefined) return md5Check(md5);
  const partBytes = await partBytesOf(bucket, name, { etag, sizeBytes, parts: Number(parts) }, signal);
  return partBytes === undefined ? undefined : md5OfPartsCheck(md5, partBytes);
};

/**
 * Read an object. Source: S3 API reference, GetObject.
 * Errors: StoreError; `unavailable` where a server does not go on from a byte.
 */
export const getObject = async (
  bucket: S3Bucket,
  name: ObjectName,
  { ifNoneMatch, ifMatch, startByte = 0 }: GetOptions,
  signal: AbortSignal | undefined,
): Promise<StoredObject> => {
  const operation = 'get';
  const { Bucket, Key, store } = name;
  const where = { store, key: Key };
  const input = {
    Bucket,
    Key,
    ...(ifNoneMatch === undefined ? {} : { IfNoneMatch: ifNoneMatch }),
    ...(ifMatch === undefined ? {} : { IfMatch: ifMatch }),
    ...(startByte === 0 ? {} : { Range: `bytes=${String(startByte)}-` }),
  };
  const output = await bucket.call({ operation, key: Key, signal, repeatable: true }, (sdk, client, sending) =>
    client.send(new sdk.GetObjectCommand(input), sending),
  );
  // What Node's http gives; the SDK's type has room for what browsers give.
  const body = bodyOf(output.Body as IncomingMessage, signal, error => broken(operation, error, where));
  // It may be cut off before anybody reads it; whoever reads it then is told.
  body.on('error', () => undefined);
  const { ETag: etag, ContentLength, ContentRange } = output;
  if (startByte > 0) {
    if (ContentRange?.startsWith(`bytes ${String(startByte)}-`))
      return { body, sizeBytes: totalOf(ContentRange), etag };
    body.destroy();
    throw new StoreError('unavailable', `get failed: the server does not go on from byte ${startByte}`, where);
  }
  try {
    const check = await checkOf(bucket, name, output, signal);
    return { body, sizeBytes: ContentLength, etag, ...(check ? { check } : {}) };
  } catch (error) {
    body.destroy();
    throw error;
  }
};
