import { asError, messageOf, StoreError } from '../errors.ts';

interface ServiceError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly Code?: string;
  readonly code?: string;
}

const denied = new Set([
  'AccessDenied',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'InvalidToken',
  'AllAccessDisabled',
  'AccountProblem',
  'Forbidden',
  'Unauthorized',
]);
const missing = new Set(['NoSuchKey', 'NoSuchBucket', 'NotFound', 'NoSuchUpload']);
const busy = new Set([
  'SlowDown',
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'ServiceUnavailable',
  'InternalError',
  'TimeoutError',
]);

const codeOf = (error: ServiceError): StoreError['code'] => {
  const status = error.$metadata?.httpStatusCode;
  const name = error.Code ?? error.name;
  if (missing.has(name) || status === 404) return 'missing';
  if (denied.has(name) || status === 401 || status === 403) return 'denied';
  if (name === 'PreconditionFailed' || name === 'ConditionalRequestConflict' || status === 412 || status === 409) {
    return 'precondition';
  }
  if (busy.has(name) || status === undefined || status >= 500 || status === 429 || status === 408) return 'unavailable';
  return 'invalid';
};

/** What an S3 server or the way to it said, as a StoreError. Its words are kept; it never repeats credentials. */
export const s3Error = (thrown: unknown, store: string, key: string): StoreError => {
  if (thrown instanceof StoreError) return thrown;
  const error = asError(thrown) as ServiceError;
  const words = [error.Code ?? error.name, messageOf(error)].filter(word => word && word !== 'Error');
  return new StoreError(codeOf(error), words.join(': '), { store, key }, { cause: error });
};
