import { isStoreError, StoreError } from '../errors.ts';
import type { GetOptions } from './object-store.ts';
import type { ResumeContext } from './resumed-body.ts';
import type { RetryContext } from './retry.ts';

/** Asks for the rest of an object, of the same version where the store tells one. */
export const goingOn = (startByte: number, etag: string | undefined): GetOptions => ({
  startByte,
  ...(etag === undefined ? {} : { ifMatch: etag }),
});

/** How a read that was cut off is tried again, and what is told of it. */
export const triesOf = ({ store, key, emit, about, baseMs }: ResumeContext, signal: AbortSignal): RetryContext => ({
  signal,
  emit,
  operation: 'get',
  object: `${store.name}/${key}`,
  ...(about ? { about } : {}),
  ...(baseMs === undefined ? {} : { baseMs }),
});

/** What it means that a read could not go on. */
export const whyNot = (error: unknown, { store, key }: Pick<ResumeContext, 'store' | 'key'>): unknown =>
  isStoreError(error, 'precondition')
    ? new StoreError('unavailable', 'get failed: the object was replaced while it was read', { store: store.name, key })
    : error;
