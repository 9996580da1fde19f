import { StoreError } from '../errors.ts';

/** Digests of bodies that were not what their store says, by object and version: damage on the way is another one each time. */
const damaged = new Map<string, string>();
const mostRemembered = 1000;

/** An object in one version. */
export interface Version {
  readonly store: string;
  readonly key: string;
  readonly etag: string | undefined;
}

const nameOf = ({ store, key, etag }: Version): string => `${store}/${key} ${etag}`;

/** An object came whole and right. */
export const noteRight = (version: Version): void => {
  damaged.delete(nameOf(version));
};

/**
 * What it means that an object came otherwise than its store says: `unavailable` where it was damaged on its way, `invalid` where it
 * is damaged in the same way twice, and so where it lies.
 */
export const damageError = (version: Version, fault: string): StoreError => {
  const name = nameOf(version);
  const isLasting = damaged.get(name) === fault;
  damaged.set(name, fault);
  const [oldest] = damaged.keys();
  if (damaged.size > mostRemembered && oldest !== undefined) damaged.delete(oldest);
  const what = isLasting ? 'the object is damaged in its store' : 'the object was damaged on its way';
  const { store, key } = version;
  return new StoreError(isLasting ? 'invalid' : 'unavailable', `get failed: ${what}: ${fault}`, { store, key });
};
