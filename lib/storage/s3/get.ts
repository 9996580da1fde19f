import type { IncomingMessage } from 'node:http';
import type { GetObjectCommand, GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { StoreError } from '../../errors.ts';
import { crc32Check, crc64Check, md5Check, md5OfPartsCheck } from '../checks.ts';
import type { BodyCheck, DirectGet, GetOptions, StoredObject } from '../object-store.ts';
import { bodyOf } from '../body.ts';
import type { S3Bucket } from './bucket.ts';
import type { S3ClientOptions } from './clients.ts';
import { broken } from './errors.ts';
import { signGet } from './sign.ts';

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

/** A checksum of the whole object: quicker than the digest in its etag, where the server has one. */
const sumCheckOf = (output: GetObjectCommandOutput): BodyCheck | undefined => {
  const { ChecksumType, ChecksumCRC32, ChecksumCRC64NVME } = output;
  const hex = (base64: string) => Buffer.from(base64, 'base64').toString('hex');
  // That of an object in parts is otherwise one of their checksums, with a `-` and their number.
  if (ChecksumType !== 'FULL_OBJECT') return undefined;
  if (ChecksumCRC32 !== undefined) return crc32Check(hex(ChecksumCRC32));
  return ChecksumCRC64NVME === undefined ? undefined : crc64Check(hex(ChecksumCRC64NVME));
};

/** How the body is compared with what the store says of it; undefined where that is nothing. */
const checkOf = async (
  bucket: S3Bucket,
  name: ObjectName,
  output: GetObjectCommandOutput,
  signal: AbortSignal | undefined,
): Promise<BodyCheck | undefined> => {
  const sumCheck = sumCheckOf(output);
  if (sumCheck) return sumCheck;
  const { ETag: etag = '', ContentLength: sizeBytes } = output;
  const [, md5, parts] = digestEtag.exec(etag) ?? [];
  if (md5 === undefined || sizeBytes === undefined || isOpaque(output, name.Bucket)) return undefined;
  if (parts === undefined) return md5Check(md5);
  const partBytes = await partBytesOf(bucket, name, { etag, sizeBytes, parts: Number(parts) }, signal);
  return partBytes === undefined ? undefined : md5OfPartsCheck(md5, partBytes);
};

/** Asks for the checksum too. The SDK's own member for that has it compared in JavaScript, which takes 7 s a GB. */
const withChecksum = (command: GetObjectCommand): GetObjectCommand => {
  command.middlewareStack.add(
    next => args => {
      (args.request as { headers: Record<string, string> }).headers['x-amz-checksum-mode'] = 'ENABLED';
      return next(args);
    },
    { step: 'build' },
  );
  return command;
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
  const input = {
    Bucket,
    Key,
    ...(ifNoneMatch === undefined ? {} : { IfNoneMatch: ifNoneMatch }),
    ...(ifMatch === undefined ? {} : { IfMatch: ifMatch }),
    ...(startByte === 0 ? {} : { Range: `bytes=${String(startByte)}-` }),
  };
  const output = await bucket.call({ operation, key: Key, signal, repeatable: true }, (sdk, client, sending) =>
    client.send(withChecksum(new sdk.GetObjectCommand(input)), sending),
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
    const direct: DirectGet | undefined =
      etag === undefined
        ? undefined
        : (fromByte, until) => {
            const range = fromByte === 0 ? {} : { Range: `bytes=${String(fromByte)}-` };
            return signGet(bucket, { Bucket, Key, IfMatch: etag, ...range }, connection, until);
          };
    return { body, sizeBytes: ContentLength, etag, ...(check ? { check } : {}), ...(direct ? { direct } : {}) };
  } catch (error) {
    body.destroy();
    throw error;
  }
};
