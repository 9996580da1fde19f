/** A process that brings one artifact in by a cache that it shares with others: `bring-cached.ts CACHE URL DIRECTORY`. */
import { createScope } from '../../../lib/flow/scope.ts';
import { createHttpStore, keyOfUrl } from '../../../lib/storage/http/http.ts';
import { createArtifactCache } from '../../../lib/workspace/cache/artifact-cache.ts';
import { placesIn } from '../../../lib/workspace/cache/places.ts';
import { wantedOf } from '../wanted.ts';

const [cacheDirectory = '', address = '', directory = ''] = process.argv.slice(2);
const url = new URL(address);
const say = (what: string): void => void process.send?.(what);
const scope = createScope((_name, error) => {
  throw error;
});
const cache = await createArtifactCache({
  places: placesIn(cacheDirectory),
  limitBytes: 2 ** 30,
  overlays: undefined,
  mayMount: () => false,
  emit: event => say(event),
  now: Date.now,
});
say('asks');
await cache.bring(
  wantedOf(
    { store: createHttpStore({ url, credentials: { type: 'anonymous' } }), key: keyOfUrl(url) },
    directory,
    scope,
  ),
);
process.disconnect();
