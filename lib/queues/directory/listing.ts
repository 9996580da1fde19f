import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isMessage } from './paths.ts';

/** For this long the list in hand serves, ms: with thousands of files a fresh one costs much more than taking a message. */
const freshMs = 250;

/** The messages of one directory, oldest first. */
export interface Listing {
  /** Look now. Rejects with ENOENT when the directory is gone. Only names that are new are looked at, the others keep place. */
  read(): Promise<readonly string[]>;
  /** The list in hand while it is fresh and not used up, else as `read`. Names may be gone when they are used. */
  recent(): Promise<readonly string[]>;
  /** The message of this name was taken, by whomever. */
  forget(name: string): void;
}

export const createListing = (directory: string): Listing => {
  let known = new Map<string, number>();
  let readAtMs = -Infinity;

  const read = async (): Promise<readonly string[]> => {
    const names = (await readdir(directory)).filter(isMessage);
    const found = await Promise.all(
      names.map(async (name): Promise<readonly [string, number] | undefined> => {
        const seen = known.get(name);
        if (seen !== undefined) return [name, seen];
        // A link could lead out of the queue: it is not a regular file.
        const info = await lstat(join(directory, name)).catch(() => undefined);
        return info?.isFile() ? [name, info.mtimeMs] : undefined;
      }),
    );
    const sorted = found.filter(one => one !== undefined);
    sorted.sort(([a, left], [b, right]) => left - right || (a < b ? -1 : 1));
    known = new Map(sorted);
    readAtMs = performance.now();
    return [...known.keys()];
  };

  return {
    read,
    recent: () =>
      known.size > 0 && performance.now() - readAtMs < freshMs ? Promise.resolve([...known.keys()]) : read(),
    forget: name => {
      known.delete(name);
    },
  };
};
