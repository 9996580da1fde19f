import { StoreError } from '../../errors.ts';
import { crc32Check, crc64Check, md5Check, md5OfPartsCheck } from '../checks.ts';
import type { BodyCheck, DirectGet, GetOptions, StoredObject } from '../object-store.ts';
import { bodyOf } from '../body.ts';
import type { S3Bucket } from './bucket.ts';
import type { S3ClientOptions } from './clients.ts';
import { broken } from './errors.ts';
import type { ObjectReply } from './exchange.ts';
import { signGet } from './sign.ts';

/** `"<md5>"`, or of an object stored in parts `"<md5 of their md5s>-<parts>"`. */
const digestEtag = /^"?([0-9a-f]{32})(?:-([1-9][0-9]*))?"?$/;

type Headers = ObjectReply['headers'];

/** Where etags are no digests. Source: S3 API reference, "Object", ETag. */
const isOpaque = (headers: Headers, bucket: string): boolean =>
  headers['x-amz-server-side-encryption']?.startsWith('aws:kms') === true ||
  headers['x-amz-server-side-encryption-customer-algorithm'] !== undefined ||
  bucket.endsWith('--x-s3');

const numberOf = (header: string | undefined): number | undefined =>
  header === undefined ? undefined : Number(header);

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
    const request = { method: 'HEAD', Bucket, Key, query: { partNumber: '1' }, headers: { 'if-match': etag } } as const;
    const { headers } = await bucket.exchange({ operation: 'get', key: Key, signal, repeatable: true }, request);
    const partBytes = Number(headers['content-length'] ?? 0);
    return partBytes > 0 && Math.ceil(sizeBytes / partBytes) === parts ? partBytes : undefined;
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
};

/** A checksum of the whole object: quicker than the digest in its etag, where the server has one. */
const sumCheckOf = (headers: Headers): BodyCheck | undefined => {
  const crc32 = headers['x-amz-checksum-crc32'];
  const crc64 = headers['x-amz-checksum-crc64nvme'];
  const hex = (base64: string) => Buffer.from(base64, 'base64').toString('hex');
  // That of an object in parts is otherwise one of their checksums, with a `-` and their number.
  if (headers['x-amz-checksum-type'] !== 'FULL_OBJECT') return undefined;
  if (crc32 !== undefined) return crc32Check(hex(crc32));
  return crc64 === undefined ? undefined : crc64Check(hex(crc64));
};

/** How the body is compared with what the store says of it; undefined where that is nothing. */
const checkOf = async (
  bucket: S3Bucket,
  name: ObjectName,
  headers: Headers,
  signal: AbortSignal | undefined,
): Promise<BodyCheck | undefined> => {
  const sumCheck = sumCheckOf(headers);
  if (sumCheck) return sumCheck;
  const { etag = '' } = headers;
  const sizeBytes = numberOf(headers['content-length']);
  const [, md5, parts] = digestEtag.exec(etag) ?? [];
  if (md5 === undefined || sizeBytes === undefined || isOpaque(headers, name.Bucket)) return undefined;
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
  connection: Pick<S3ClientOptions, 'tls' | 'connectMs' | 'idleMs'>,
): Promise<StoredObject> => {
  const operation = 'get';
  const { Bucket, Key, store } = name;
  const where = { store, key: Key };
  const asked = {
    'if-none-match': ifNoneMatch,
    'if-match': ifMatch,
    range: startByte === 0 ? undefined : `bytes=${String(startByte)}-`,
    'x-amz-checksum-mode': 'ENABLED',
  };
  const reply = await bucket.exchange(
    { operation, key: Key, signal, repeatable: true },
    { method: 'GET', Bucket, Key, headers: asked },
  );
  const body = bodyOf(reply.body, signal, error => broken(operation, error, where));
  const { headers } = reply;
  const { etag, 'content-range': contentRange } = headers;
  if (startByte > 0) {
    if (contentRange?.startsWith(`bytes ${String(startByte)}-`))
      return { body, sizeBytes: totalOf(contentRange), etag };
    body.destroy();
    throw new StoreError('unavailable', `get failed: the server does not go on from byte ${startByte}`, where);
  }
  try {
    const check = await checkOf(bucket, name, headers, signal);
    const direct: DirectGet | undefined =
      etag === undefined
        ? undefined
        : (fromByte, until) => {
            const range = fromByte === 0 ? undefined : `bytes=${String(fromByte)}-`;
            return signGet(bucket, { Bucket, Key, headers: { 'if-match': etag, range } }, connection, until);
          };
    return {
      body,
      sizeBytes: numberOf(headers['content-length']),
      etag,
      ...(check ? { check } : {}),
      ...(direct ? { direct } : {}),
    };
  } catch (error) {
    body.destroy();
    throw error;
  }
};
