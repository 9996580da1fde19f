import { StoreError, asError, messageOf } from '../../errors.ts';
import type { Where } from '../../errors.ts';
import { isStaleReason } from '../retry.ts';

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
  // Says something of a machine's clock, nothing of its rights.
  'RequestTimeTooSkewed',
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

/** What the SDK and `exchange` throw for a reply that is a refusal. Members beside these are of the service. */
interface Refusal {
  readonly name?: string;
  readonly message?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly statusCode?: number; readonly headers?: Readonly<Record<string, string>> };
  readonly Region?: string;
}

/** The HTTP status of the reply that an error tells of; undefined where there was none. */
const statusOf = ({ $response, $metadata }: Refusal): number | undefined =>
  $response?.statusCode ?? $metadata?.httpStatusCode;

/** Names and words that stand in for what a reply did not say. */
const unsaid = new Set(['', 'Unknown', 'UnknownError', 'Error']);

/**
 * What a service's refusal means. The message has the service's own code and words. Digests of a body that do not agree are
 * `unavailable`: the bytes were damaged on their way.
 * Source: S3 API reference, "Error responses".
 */
export const refusal = (
  operation: string,
  status: number,
  { name = '', message = '' }: Refusal,
  where: Where,
): StoreError => {
  const said = [name, message].filter(part => !unsaid.has(part)).join(': ');
  return new StoreError(
    codeOf(status, name),
    `${operation} failed: ${said || 'no reason given'} (HTTP ${String(status)})`,
    where,
    { reason: name },
  );
};

/** Whether a call was refused for credentials that are no longer valid. */
export const isStale = (thrown: unknown): boolean => isStaleReason(asError(thrown).name);

/** Whether a call was refused since our clock is not the server's, by which the next one is signed. */
export const isSkewed = (thrown: unknown): boolean => asError(thrown).name === 'RequestTimeTooSkewed';

/** The region that a refused call should have gone to; undefined where the refusal names none. */
export const regionOf = (thrown: unknown): string | undefined => {
  const error = asError(thrown) as Refusal;
  const status = statusOf(error);
  if (status !== 301 && status !== 307 && error.name !== 'AuthorizationHeaderMalformed') return undefined;
  const region = error.$response?.headers?.['x-amz-bucket-region'] ?? error.Region;
  return region !== undefined && /^[a-z0-9-]+$/.test(region) ? region : undefined;
};

/** Codes of Node's errors that no second try mends. */
const lasting = new Set(['ERR_INVALID_URL', 'ERR_UNESCAPED_CHARACTERS', 'ERR_INVALID_CHAR', 'CERT_HAS_EXPIRED']);

/** Whether a connection ended before a reply came: an idle one, for example, that the server closed just then. */
export const isReset = (thrown: unknown): boolean => {
  const { code } = asError(thrown) as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'EPIPE';
};

/** A failure of the connection, or of the reply's form, as a StoreError `unavailable` (`invalid` where it can't get better). */
export const broken = (operation: string, thrown: unknown, where: Where): StoreError => {
  const { code } = asError(thrown) as NodeJS.ErrnoException;
  const words = messageOf(thrown) || code || 'connection failed';
  return new StoreError(
    code !== undefined && lasting.has(code) ? 'invalid' : 'unavailable',
    `${operation} failed: ${words}`,
    where,
    { cause: thrown },
  );
};

/** Whatever a call throws, as a StoreError. */
export const storeErrorOf = (operation: string, thrown: unknown, where: Where): StoreError => {
  if (thrown instanceof StoreError) return thrown;
  const error = asError(thrown) as Refusal;
  const status = statusOf(error);
  if (status !== undefined && status >= 300) return refusal(operation, status, error, where);
  if (error.name !== 'CredentialsProviderError') return broken(operation, thrown, where);
  return new StoreError('denied', `${operation} failed: ${messageOf(thrown)}`, where);
};
