import { StoreError, asError, messageOf } from '../../errors.ts';
import type { Where } from '../../errors.ts';
import { textOf } from './xml.ts';

const denied = new Set([
  'AccessDenied',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'InvalidToken',
  'TokenRefreshRequired',
  'AllAccessDisabled',
  'AccountProblem',
  // Of versitygw, with HTTP 404: no such access key.
  'XAdminUserNotFound',
]);
const unavailable = new Set([
  'SlowDown',
  'RequestTimeout',
  'InternalError',
  'ServiceUnavailable',
  'OperationAborted',
  'ConditionalRequestConflict',
  'NoSuchUpload',
  'BadDigest',
  'IncompleteBody',
  'XAmzContentSHA256Mismatch',
]);

const codeOf = (status: number, service: string): StoreError['code'] => {
  if (unavailable.has(service)) return 'unavailable';
  if (denied.has(service) || status === 401 || status === 403) return 'denied';
  if (status === 404) return 'missing';
  if (status === 412 || status === 304) return 'precondition';
  if (status === 429 || (status >= 500 && status !== 501 && status !== 505)) return 'unavailable';
  return 'invalid';
};

/**
 * What a service's refusal means. The message has the service's own code and words. Digests of a body that do not agree are
 * `unavailable`: the bytes were damaged on their way.
 * Source: S3 API reference, "Error responses".
 * @param body the XML of the reply; may be empty
 */
export const refusal = (operation: string, status: number, body: string, where: Where): StoreError => {
  const service = textOf(body, 'Code') ?? '';
  const words = textOf(body, 'Message') ?? '';
  const said = [service, words].filter(part => part !== '').join(': ');
  return new StoreError(
    codeOf(status, service),
    `${operation} failed: ${said || 'no reason given'} (HTTP ${String(status)})`,
    where,
  );
};

/** Codes of Node's errors that no second try mends. */
const lasting = new Set(['ERR_INVALID_URL', 'ERR_UNESCAPED_CHARACTERS', 'ERR_INVALID_CHAR', 'CERT_HAS_EXPIRED']);

/** A failure of the connection, or of the reply's form, as a StoreError `unavailable` (`invalid` where it can't get better). */
export const broken = (operation: string, thrown: unknown, where: Where): StoreError => {
  if (thrown instanceof StoreError) return thrown;
  const { code } = asError(thrown) as NodeJS.ErrnoException;
  const words = messageOf(thrown) || code || 'connection failed';
  return new StoreError(
    code !== undefined && lasting.has(code) ? 'invalid' : 'unavailable',
    `${operation} failed: ${words}`,
    where,
    { cause: thrown },
  );
};
