import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createScope } from '../../lib/flow/scope.ts';
import { closeS3 } from '../../lib/storage/s3.ts';
import { createEventBus } from '../../lib/telemetry/events.ts';
import { createArtifactCache } from '../../lib/workspace/cache/artifact-cache.ts';
import { openOverlays } from '../../lib/workspace/cache/overlay.ts';
import { placesIn } from '../../lib/workspace/cache/places.ts';
import { Archives } from './archives.ts';
import type { Bench } from './bench.ts';
import { percentile } from './load.ts';
import { wantedOf } from '../helpers/wanted.ts';

const times = 20;
const mostMs = 50;

/** Stage-in of an artifact that the cache has: the question to the store, the look at the entry, and the files in their place. */
export const bench: Bench = {
  name: 'cached',
  async run() {
    const archives = new Archives();
    const scopes: ReturnType<typeof createScope>[] = [];
    try {
      const key = 'large.tar';
      archives.make(key, { files: 200, fileBytes: Math.floor(2 ** 30 / 200) });
      const overlays = await openOverlays(join(archives.directory, 'overlays'));
      const bus = createEventBus();
      const ways = new Set<unknown>();
      bus.events$.subscribe(({ event, fields }) => event === 'cache-hit' && ways.add(fields['by']));
      const cache = await createArtifactCache({
        places: placesIn(join(archives.directory, 'cache')),
        limitBytes: 2 ** 32,
        overlays,
        mayMount: () => true,
        emit: bus.emit,
        now: Date.now,
      });
      const bring = async (number: number): Promise<number> => {
        const directory = join(archives.directory, `attempt-${String(number)}`);
        mkdirSync(directory);
        const scope = createScope((_name, error) => {
          throw error;
        });
        scopes.push(scope);
        const startedAt = performance.now();
        await cache.bring(wantedOf({ store: archives.store, key }, directory, scope));
        return performance.now() - startedAt;
      };
      const fetchedMs = await bring(0);
      const ms: number[] = [];
      for (let i = 1; i <= times; i++) ms.push(await bring(i));
      const median = percentile(ms, 50);
      return [
        {
          name: 'stage-in from the cache, 1 GiB in 200 files, p50',
          measured: median,
          unit: 'ms',
          reach: `<= ${String(mostMs)}`,
          ok: median <= mostMs,
          detail: `by ${[...ways].join(', ')}; p99 ${percentile(ms, 99).toFixed(1)} ms, fetched ${fetchedMs.toFixed(0)} ms`,
        },
      ];
    } finally {
      for (const scope of scopes) await scope.close();
      archives.close();
      await closeS3();
    }
  },
};
