import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lastValueFrom, of } from 'rxjs';
import { stageIn } from '../../lib/stages/stage-in.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { resuming } from '../../lib/storage/resuming.ts';
import { artifact, makeAttempt } from '../helpers/make-attempt.ts';
import type { Bench } from './bench.ts';
import { openTransfers, timed, totalBytes, writeFileOf } from './transfers.ts';

/** The same store, as if it knew no digests. */
const unverified = (store: ObjectStore): ObjectStore => ({
  name: store.name,
  get: async (key, signal, options) => {
    const { body, sizeBytes, etag, direct } = await store.get(key, signal, options);
    return { body, sizeBytes, etag, ...(direct ? { direct } : {}) };
  },
  put: (key, body, options) => store.put(key, body, options),
  list: (prefix, signal) => store.list(prefix, signal),
  delete: (key, signal) => store.delete(key, signal),
});

/** An object of 1 GiB from the store to the disk, compared with its digest and not: time of s5cmd / ours. */
export const bench: Bench = {
  name: 'get',
  async run() {
    const place = await openTransfers();
    const { store } = place;
    try {
      const source = join(place.directory, 'source');
      await writeFileOf(source, totalBytes);
      await place.shell(`$S5 cp '${source}' "$BUCKET/large"`);
      await rm(source);
      const theirs = async () => {
        const target = await place.fresh();
        const ms = await place.shell(`$S5 cp "$BUCKET/large" '${target}/large'`);
        await rm(target, { recursive: true });
        return ms;
      };
      const ours = async (isVerified: boolean) => {
        const home = await place.fresh();
        const artifacts = [artifact('data', { key: 'large', mutable: false, unpack: false })];
        const attempt = makeAttempt({ home, artifacts, diskBytes: 2 * totalBytes });
        const emit = () => undefined;
        const at = { store: isVerified ? store : unverified(store), key: 'large' };
        const location = resuming(at, { emit, about: {}, artifact: 'data' });
        const stage = stageIn({
          locate: () => location,
          emit,
          parallelTransfers: 8,
          mostDiskBytes: 2 * totalBytes,
          now: Date.now,
        });
        const ms = await timed(() => lastValueFrom(of(attempt).pipe(stage)));
        await rm(home, { recursive: true });
        return ms;
      };
      await ours(true);
      const rounds = [1, 2, 3];
      const best = { theirs: Infinity, verified: Infinity, plain: Infinity };
      for (const _ of rounds) {
        best.theirs = Math.min(best.theirs, await theirs());
        best.verified = Math.min(best.verified, await ours(true));
        best.plain = Math.min(best.plain, await ours(false));
      }
      return (['verified', 'plain'] as const).map(how => ({
        name: `get 1 GiB, ${how === 'verified' ? 'verified' : 'not verified'}: s5cmd / ours`,
        measured: best.theirs / best[how],
        unit: '',
        reach: '>= 0.8',
        ok: best.theirs / best[how] >= 0.8,
        detail: `s5cmd ${best.theirs.toFixed(0)} ms, ours ${best[how].toFixed(0)} ms, ${String(totalBytes)} bytes`,
      }));
    } finally {
      await place.close();
    }
  },
};
