import type { Artifact } from '../model/experiment.ts';
import type { ObjectLocation } from '../storage/object-store.ts';

/** An artifact, and where it is. */
export interface Placed {
  readonly artifact: Artifact;
  readonly location: ObjectLocation;
}

/** A listing that goes on longer than this answers nothing sooner than asking for each object does. */
const maxKeys = 1000;

const prefixOf = ({ location: { key } }: Placed): string => key.slice(0, key.lastIndexOf('/') + 1);
const groupOf = (one: Placed): string => `${one.location.store.name}\n${prefixOf(one)}`;

/** The keys below a prefix; undefined where it can't be told. */
const keysBelow = async (one: Placed, signal: AbortSignal): Promise<ReadonlySet<string> | undefined> => {
  const keys = new Set<string>();
  try {
    for await (const { key } of one.location.store.list(prefixOf(one), signal)) {
      keys.add(key);
      if (keys.size > maxKeys) return undefined;
    }
    return keys;
  } catch {
    return undefined;
  }
};

/**
 * Tell which mutable artifacts are not there, by one listing for all that share a prefix: most do not exist before the first
 * attempt, and asking for each costs a call each. Where listing is denied, fails or takes long nothing is said to be absent.
 */
export const findAbsent = (inputs: readonly Placed[], signal: AbortSignal): ((one: Placed) => Promise<boolean>) => {
  const groups = Map.groupBy(
    inputs.filter(one => one.artifact.mutable && prefixOf(one) !== ''),
    groupOf,
  );
  const listings = new Map<string, Promise<ReadonlySet<string> | undefined>>();
  for (const [group, [first, second]] of groups) if (first && second) listings.set(group, keysBelow(first, signal));
  return async one => {
    const keys = one.artifact.mutable ? await listings.get(groupOf(one)) : undefined;
    return keys !== undefined && !keys.has(one.location.key);
  };
};
