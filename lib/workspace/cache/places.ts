import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** Directories of a cache. What is under way is named by its process, so that what a dead one left can be told. */
export interface CachePlaces {
  /** What is there: `<hash>/tree` and `<hash>/manifest.json`. Comes and goes by a rename. */
  readonly entries: string;
  /** `<hash of a location>`: the etag that was seen there last. */
  readonly etags: string;
  /** `<hash>/<process>-<n>`: who uses an entry. */
  readonly users: string;
  /** Entries on their way in, and on their way out. */
  readonly staging: string;
  readonly removing: string;
  readonly locks: string;
}

/** A layout of its own for each version of what is written, so that runners of two versions share a directory. */
const version = 'v1';

export const placesIn = (directory: string): CachePlaces => {
  const at = (name: string) => join(directory, version, name);
  return {
    entries: at('entries'),
    etags: at('etags'),
    users: at('users'),
    staging: at('staging'),
    removing: at('removing'),
    locks: at('locks'),
  };
};

/** A short name for texts of any characters. */
export const hashOf = (...texts: readonly string[]): string =>
  createHash('sha256').update(texts.join('\n')).digest('hex').slice(0, 32);
