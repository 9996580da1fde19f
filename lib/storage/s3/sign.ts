import type { SignedGet } from '../object-store.ts';
import type { S3Bucket } from './bucket.ts';
import type { S3ClientOptions } from './clients.ts';
import { signRequest, type ObjectRequest } from './exchange.ts';

/** A GET that is signed and not sent. Errors: StoreError where there are no credentials; the signal's reason. */
export const signGet = async (
  bucket: S3Bucket,
  asked: Omit<ObjectRequest, 'method' | 'query' | 'body'>,
  { tls, connectMs, idleMs }: Pick<S3ClientOptions, 'tls' | 'connectMs' | 'idleMs'>,
  signal: AbortSignal,
): Promise<SignedGet> => {
  const call = { operation: 'get', key: asked.Key, signal, repeatable: true };
  const request = await bucket.call(call, (sdk, client) => signRequest(sdk, client, { method: 'GET', ...asked }));
  const { protocol, hostname, port, path, headers } = request;
  const isTls = protocol === 'https:';
  return {
    tls: isTls ? (tls?.pem ?? {}) : undefined,
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port ?? (isTls ? 443 : 80),
    path,
    headers,
    connectMs,
    idleMs,
  };
};
