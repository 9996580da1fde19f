import { AttemptError, messageOf, StoreError } from '../errors.ts';
import type { Cause } from '../model/outcome.ts';
import type { ObjectLocation } from '../storage/object-store.ts';

const causes: Readonly<Record<StoreError['code'], Cause>> = {
  missing: 'artifact-missing',
  denied: 'access-denied',
  invalid: 'artifact-invalid',
  precondition: 'store-fault',
  unavailable: 'store-fault',
};

/** Why an artifact could not be brought in or stored, as the end of an attempt: which one, and where it should be. */
export const transferFailure = (
  error: unknown,
  stage: 'stage in' | 'stage out',
  artifact: string,
  { store, key }: ObjectLocation,
): AttemptError => {
  const cause =
    error instanceof AttemptError ? error.code : error instanceof StoreError ? causes[error.code] : 'internal';
  const message = messageOf(error);
  // A store names what it was asked for.
  const where = { artifact, object: message.includes(key) ? undefined : `${store.name}/${key}` };
  return new AttemptError(cause, `${stage} failed: ${message}`, where, { cause: error });
};
