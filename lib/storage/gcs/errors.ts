import { asError, messageOf, StoreError, type Where } from '../../errors.ts';

/** Words of failures to be let in at all: no credentials, or Google does not know them. */
const unknownCaller =
  /could not load the default credentials|invalid_grant|invalid_client|unauthorized_client|no key or keyfile/i;
const badKey = /DECODER|PEM|asn1|private key/i;

const codeOf = (status: number): StoreError['code'] => {
  if (status === 401 || status === 403) return 'denied';
  if (status === 404) return 'missing';
  if (status === 304 || status === 412 || status === 416) return 'precondition';
  if ([408, 429].includes(status) || (status >= 500 && status !== 501)) return 'unavailable';
  return 'invalid';
};

/** Whatever a call of Google's client throws, as a StoreError. Source: Cloud Storage JSON API, "Status and error codes". */
export const gcsErrorOf = (operation: string, thrown: unknown, where: Where): StoreError => {
  if (thrown instanceof StoreError) return thrown;
  const error = asError(thrown) as Error & { readonly code?: unknown; readonly status?: unknown };
  const message = `${operation} failed: ${messageOf(error).slice(0, 1000)}`;
  if (unknownCaller.test(error.message) || badKey.test(error.message)) return new StoreError('denied', message, where);
  const status = Number(error.code ?? error.status);
  if (Number.isInteger(status) && status >= 300) {
    return new StoreError(codeOf(status), `${message} (HTTP ${String(status)})`, where);
  }
  return new StoreError('unavailable', message, where, { cause: thrown });
};
