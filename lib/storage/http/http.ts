import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Transform, type Readable } from 'node:stream';
import { messageOf, StoreError } from '../../errors.ts';
import { bodyOf } from '../body.ts';
import { md5Check } from '../checks.ts';
import type { BodyCheck, GetOptions, ObjectStore, StoredObject } from '../object-store.ts';
import { readOnly } from '../read-only.ts';
import { ask } from './ask.ts';

export type HttpCredentials =
  | { readonly type: 'anonymous' }
  | { readonly type: 'plain'; readonly user: string; readonly password: string }
  | { readonly type: 'jwt'; readonly token: string };

export interface HttpPlace {
  /** Without user and password. Its query may hold a signature: it is in no name and no message. */
  readonly url: URL;
  readonly credentials: HttpCredentials;
  /** Time without any data, ms. Default 60,000. */
  readonly idleMs?: number;
}

const authorizationOf = (credentials: HttpCredentials): string | undefined => {
  switch (credentials.type) {
    case 'anonymous':
      return undefined;
    case 'plain':
      return `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}`;
    case 'jwt':
      return `Bearer ${credentials.token}`;
  }
};

const codeOf = (status: number): StoreError['code'] => {
  if (status === 401 || status === 403 || status === 407) return 'denied';
  if (status === 404 || status === 410) return 'missing';
  // 416: it is shorter by now.
  if (status === 304 || status === 412 || status === 416) return 'precondition';
  if ([408, 425, 429].includes(status) || (status >= 500 && status !== 501 && status !== 505)) return 'unavailable';
  return 'invalid';
};

/** What tells one version from another: an etag that promises the same bytes, else the time of the last change. */
const versionOf = ({ etag, 'last-modified': changed }: IncomingHttpHeaders): string | undefined =>
  etag?.startsWith('"') ? etag : changed;

/** Where a server says the MD5 of what it sends. Sources: RFC 1864; Cloud Storage, "x-goog-hash"; S3, ETag. */
const checkOf = (headers: IncomingHttpHeaders): BodyCheck | undefined => {
  const google = String(headers['x-goog-hash'] ?? '').match(/md5=([A-Za-z0-9+/]{22}==)/)?.[1];
  const base64 = headers['content-md5'] ?? google;
  if (typeof base64 === 'string' && Buffer.from(base64, 'base64').length === 16) {
    return md5Check(Buffer.from(base64, 'base64').toString('hex'));
  }
  const ofS3 = 'x-amz-request-id' in headers && !('x-amz-server-side-encryption-aws-kms-key-id' in headers);
  const etag = /^"([0-9a-f]{32})"$/.exec(headers.etag ?? '')?.[1];
  return ofS3 && etag !== undefined ? md5Check(etag) : undefined;
};

/** Asks for another version only. */
const unlessStill = (version: string | undefined): Readonly<Record<string, string>> => {
  if (version === undefined) return {};
  return version.startsWith('"') ? { 'if-none-match': version } : { 'if-modified-since': version };
};

const lengthOf = ({ 'content-length': length, 'content-range': range }: IncomingHttpHeaders): number | undefined => {
  const total = /^bytes \d+-\d+\/(\d+)$/.exec(range ?? '')?.[1] ?? (range === undefined ? length : undefined);
  return total === undefined ? undefined : Number(total);
};

/** A body less its first bytes, of a server that sends all of it whatever part is asked for. */
const without = (body: Readable, bytes: number): Readable => {
  let left = bytes;
  const rest = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const skipped = Math.min(left, chunk.length);
      left -= skipped;
      done(null, chunk.subarray(skipped));
    },
  });
  body.on('error', error => rest.destroy(error));
  rest.on('close', () => body.destroy());
  return body.pipe(rest);
};

/** The key of the one object of a URL: its path. */
export const keyOfUrl = (url: URL): string => {
  const path = url.pathname.slice(1);
  try {
    return decodeURIComponent(path) || 'index';
  } catch {
    return path;
  }
};

/**
 * One object on a web server; it can only be read. Redirects are followed.
 * Errors: StoreError with the server's status; the signal's reason. Source: RFC 9110.
 */
export const createHttpStore = ({ url, credentials, idleMs = 60_000 }: HttpPlace): ObjectStore => {
  const name = `${url.protocol}//${url.host}`;
  const own = keyOfUrl(url);
  const where = { store: name, key: own };
  const failed = (error: unknown): StoreError =>
    error instanceof StoreError
      ? new StoreError(error.code, error.message, where)
      : new StoreError('unavailable', `get failed: ${messageOf(error)}`, where, { cause: error });

  const objectOf = (reply: IncomingMessage, body: Readable, options: GetOptions): StoredObject => {
    const { statusCode = 0, statusMessage, headers } = reply;
    const { startByte = 0, ifMatch, ifNoneMatch } = options;
    const etag = versionOf(headers);
    if (statusCode !== 200 && statusCode !== 206) {
      throw new StoreError(
        codeOf(statusCode),
        `get failed: ${statusMessage ?? ''} (HTTP ${String(statusCode)})`,
        where,
      );
    }
    if ((ifMatch !== undefined && etag !== ifMatch) || (ifNoneMatch !== undefined && etag === ifNoneMatch)) {
      const what = ifMatch === undefined ? 'still the same' : 'another one by now';
      throw new StoreError('precondition', `get failed: the object is ${what}`, where);
    }
    const sizeBytes = lengthOf(headers);
    if (startByte === 0) {
      const check = checkOf(headers);
      return { body, sizeBytes, etag, ...(check ? { check } : {}) };
    }
    return { body: statusCode === 206 ? body : without(body, startByte), sizeBytes, etag };
  };

  return {
    name,
    get: async (key, signal, options = {}) => {
      if (key !== own) throw new StoreError('missing', 'get failed: no such object', { store: name, key });
      const { startByte = 0, ifMatch, ifNoneMatch } = options;
      const headers = {
        'accept-encoding': 'identity',
        ...unlessStill(ifNoneMatch),
        ...(startByte > 0 ? { range: `bytes=${String(startByte)}-` } : {}),
        ...(startByte > 0 && ifMatch !== undefined ? { 'if-range': ifMatch } : {}),
      };
      let reply: IncomingMessage;
      try {
        signal?.throwIfAborted();
        reply = await ask({ url, headers, authorization: authorizationOf(credentials), idleMs, signal });
      } catch (error) {
        signal?.throwIfAborted();
        throw failed(error);
      }
      const body = bodyOf(reply, signal, failed);
      try {
        return objectOf(reply, body, options);
      } catch (error) {
        body.destroy();
        throw error;
      }
    },
    ...readOnly(name, `${url.protocol}//`),
  };
};
