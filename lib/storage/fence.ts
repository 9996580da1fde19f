import { text } from 'node:stream/consumers';
import { isStoreError, StoreError } from '../errors.ts';
import type { FenceMark } from '../model/attempt.ts';
import type { ObjectLocation } from './object-store.ts';

/** What stands at a fence: `mark` is absent where nobody can read it. */
export interface StandingFence {
  readonly mark?: FenceMark;
  readonly etag: string | undefined;
}

const states: readonly unknown[] = ['running', 'done', 'ended'] satisfies FenceMark['state'][];

const parse = (json: string): FenceMark | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  const mark = value as Partial<FenceMark> | null;
  const isMark =
    typeof mark === 'object' &&
    Number.isSafeInteger(mark?.attempt) &&
    typeof mark?.accession === 'string' &&
    typeof mark.at === 'string' &&
    states.includes(mark.state);
  return isMark ? (mark as FenceMark) : undefined;
};

/** The fence of an experiment: an object beside its metadata object. */
export const fenceBeside = ({ store, key }: ObjectLocation): ObjectLocation => ({ store, key: `${key}.attempt` });

/** What stands there; undefined where there is nothing. Errors: StoreError. */
export const readFence = async (
  { store, key }: ObjectLocation,
  signal?: AbortSignal,
): Promise<StandingFence | undefined> => {
  try {
    const { body, etag } = await store.get(key, signal);
    const mark = parse(await text(body));
    return mark ? { mark, etag } : { etag };
  } catch (error) {
    if (isStoreError(error, 'missing')) return undefined;
    throw error;
  }
};

const bodyOf = (mark: FenceMark): Buffer => Buffer.from(JSON.stringify(mark));
const contentType = 'application/json';

/**
 * Put a mark where nothing stands; its etag.
 * Errors: StoreError, `precondition` where something stands there, `invalid` where the store knows no conditions.
 */
export const createFence = async (
  { store, key }: ObjectLocation,
  mark: FenceMark,
  signal?: AbortSignal,
): Promise<string | undefined> => (await store.put(key, bodyOf(mark), { signal, contentType, ifNoneMatch: '*' })).etag;

/**
 * Put a mark in the place of what was read; the etag it has there. A store that knows no conditions gets it without: whoever
 * wrote since the last look is written over.
 * Errors: StoreError, `precondition` where something else stands there by now.
 */
export const writeFence = async (
  { store, key }: ObjectLocation,
  mark: FenceMark,
  over: StandingFence | undefined,
  signal?: AbortSignal,
): Promise<string | undefined> => {
  const body = bodyOf(mark);
  const options = { signal, contentType };
  const condition = over === undefined ? { ifNoneMatch: '*' as const } : over.etag ? { ifMatch: over.etag } : {};
  try {
    return (await store.put(key, body, { ...options, ...condition })).etag;
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'invalid') throw error;
    return (await store.put(key, body, options)).etag;
  }
};
