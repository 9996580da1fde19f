import type { S3Client } from '@aws-sdk/client-s3';
import type { Readable } from 'node:stream';
import { StoreError } from '../errors.ts';
import type { Credentials } from '../model/experiment.ts';
import type { ObjectInfo, ObjectStore, PutOptions } from './object-store.ts';
import { s3Error } from './s3-errors.ts';

export interface S3Place {
  /** `http(s)://host[:port]`; absent: AWS itself in `region`. */
  readonly endpoint?: string;
  readonly region: string;
  readonly bucket: string;
  readonly credentials:
    Extract<Credentials, { type: 'aws' }> | { readonly type: 'anonymous' } | { readonly type: 'runner' };
}

/** Larger bodies go up in parts of this size. S3 wants 5 MiB at least; memory is this times the parts under way. */
const partBytes = 8 * 1024 * 1024;
const partsAtOnce = 3;

const load = async () => {
  const [s3, http, https] = await Promise.all([
    import('@aws-sdk/client-s3'),
    import('node:http'),
    import('node:https'),
  ]);
  return { ...s3, http, https };
};
let sdk: ReturnType<typeof load> | undefined;

const clients = new Map<string, Promise<S3Client>>();

/** One client, with its sockets, for everything with the same endpoint, region and credentials. */
const clientFor = (place: S3Place): Promise<S3Client> => {
  const { endpoint, region, credentials } = place;
  const id = JSON.stringify([endpoint, region, credentials]);
  let client = clients.get(id);
  if (!client) {
    client = makeClient(place);
    clients.set(id, client);
    // Bounded: credentials can be as many as users.
    if (clients.size > 64) {
      const [oldest] = clients.keys();
      if (oldest !== undefined) {
        void clients.get(oldest)?.then(one => {
          one.destroy();
        });
        clients.delete(oldest);
      }
    }
  }
  return client;
};

const makeClient = async ({ endpoint, region, credentials }: S3Place): Promise<S3Client> => {
  const { S3Client, http, https } = await (sdk ??= load());
  const agent = { keepAlive: true, maxSockets: 32, noDelay: true } as const;
  return new S3Client({
    region,
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    ...(credentials.type === 'aws'
      ? {
          credentials: {
            accessKeyId: credentials.accessKey,
            secretAccessKey: credentials.secretAccessKey,
            ...(credentials.sessionToken ? { sessionToken: credentials.sessionToken } : {}),
          },
        }
      : {}),
    ...(credentials.type === 'anonymous' ? { signer: { sign: request => Promise.resolve(request) } } : {}),
    // Retries are counted and told in one place: storage/retry.ts.
    maxAttempts: 1,
    followRegionRedirects: true,
    // Sums beyond what S3 itself asks for cost CPU on every call, and older S3 servers refuse them.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: 5000,
      requestTimeout: 0,
      socketTimeout: 60_000,
      httpAgent: new http.Agent(agent),
      httpsAgent: new https.Agent(agent),
    },
  });
};

/** End the sockets of all clients. */
export const closeS3 = async (): Promise<void> => {
  const all = [...clients.values()];
  clients.clear();
  for (const client of await Promise.all(all)) client.destroy();
};

const aborting = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {});

const collect = async (
  body: AsyncIterator<Buffer>,
  upTo: number,
): Promise<{ chunks: Buffer[]; size: number; ended: boolean }> => {
  const chunks: Buffer[] = [];
  let size = 0;
  while (size < upTo) {
    const { value, done } = await body.next();
    if (done) return { chunks, size, ended: true };
    chunks.push(value);
    size += value.length;
  }
  return { chunks, size, ended: false };
};

/**
 * A bucket of an S3 server through the AWS SDK, which is loaded with the first call.
 * Source: AWS S3 API; conditional writes by If-Match and If-None-Match.
 */
export const createS3Store = (place: S3Place): ObjectStore => {
  const { bucket } = place;
  const name = `s3://${place.endpoint ? new URL(place.endpoint).host : `s3.${place.region}.amazonaws.com`}/${bucket}`;

  const call = async <T>(
    key: string,
    signal: AbortSignal | undefined,
    work: (client: S3Client) => Promise<T>,
  ): Promise<T> => {
    try {
      return await work(await clientFor(place));
    } catch (error) {
      signal?.throwIfAborted();
      throw s3Error(error, name, key);
    }
  };

  const putWhole = (key: string, body: Buffer, { signal, contentType, ifMatch, ifNoneMatch }: PutOptions) =>
    call(key, signal, async client => {
      const { PutObjectCommand } = await (sdk ??= load());
      const { ETag } = await client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: key,
          Body: body,
          ContentLength: body.length,
          ...(contentType ? { ContentType: contentType } : {}),
          ...(ifMatch ? { IfMatch: ifMatch } : {}),
          ...(ifNoneMatch ? { IfNoneMatch: ifNoneMatch } : {}),
        }),
        aborting(signal),
      );
      return { etag: ETag };
    });

  const putInParts = (
    key: string,
    body: Readable | AsyncIterable<Buffer>,
    { signal, contentType, ifMatch, ifNoneMatch }: PutOptions,
  ) =>
    call(key, signal, async client => {
      const [{ Upload }, { Readable }] = await Promise.all([import('@aws-sdk/lib-storage'), import('node:stream')]);
      const upload = new Upload({
        client,
        partSize: partBytes,
        queueSize: partsAtOnce,
        leavePartsOnError: false,
        params: {
          Bucket: bucket,
          Key: key,
          Body: Readable.from(body, { objectMode: false }),
          ...(contentType ? { ContentType: contentType } : {}),
          ...(ifMatch ? { IfMatch: ifMatch } : {}),
          ...(ifNoneMatch ? { IfNoneMatch: ifNoneMatch } : {}),
        },
      });
      const abort = () => void upload.abort();
      signal?.addEventListener('abort', abort, { once: true });
      try {
        const { ETag } = await upload.done();
        return { etag: ETag };
      } finally {
        signal?.removeEventListener('abort', abort);
      }
    });

  async function* list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    let token: string | undefined;
    do {
      const page = await call(prefix, signal, async client => {
        const { ListObjectsV2Command } = await (sdk ??= load());
        return client.send(
          new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...(token ? { ContinuationToken: token } : {}) }),
          aborting(signal),
        );
      });
      for (const { Key, Size, ETag } of page.Contents ?? []) {
        if (Key !== undefined) yield { key: Key, sizeBytes: Size ?? 0, etag: ETag };
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token);
  }

  return {
    name,
    get: (key, signal) =>
      call(key, signal, async client => {
        const { GetObjectCommand } = await (sdk ??= load());
        const { Body, ContentLength, ETag } = await client.send(
          new GetObjectCommand({ Bucket: bucket, Key: key }),
          aborting(signal),
        );
        if (!Body) throw new StoreError('invalid', 'the store answered without a body');
        return { body: Body as Readable, sizeBytes: ContentLength, etag: ETag };
      }),
    put: async (key, body, options = {}) => {
      if (Buffer.isBuffer(body)) return putWhole(key, body, options);
      const iterator = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      try {
        const { chunks, size, ended } = await collect(iterator, partBytes);
        if (ended) return await putWhole(key, Buffer.concat(chunks, size), options);
        const rest = async function* () {
          yield* chunks;
          for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
        };
        return await putInParts(key, rest(), options);
      } finally {
        body.destroy();
      }
    },
    list,
    delete: (key, signal) =>
      call(key, signal, async client => {
        const { DeleteObjectCommand } = await (sdk ??= load());
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), aborting(signal));
      }),
  };
};
