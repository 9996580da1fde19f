import type { AttemptScope, PreparedAttempt } from '../../lib/model/attempt.ts';
import type { Wanted } from '../../lib/workspace/cache/artifact-cache.ts';
import { createDiskBudget } from '../../lib/workspace/disk-budget.ts';
import { unpackArchive } from '../../lib/workspace/unpack.ts';

/** An archive that is wanted of the cache, unpacked, for as long as `scope` is open. */
export const wantedOf = (location: Wanted['location'], directory: string, scope: AttemptScope): Wanted => ({
  location,
  artifact: 'data',
  form: 'unpacked',
  directory,
  unpack: ({ body, sizeBytes }, to, budget) => unpackArchive(body, to, { budget, sizeBytes }),
  budget: createDiskBudget(0),
  signal: new AbortController().signal,
  attempt: { scope, record: {} } as unknown as PreparedAttempt,
});
