import { StoreError } from '../errors.ts';
import type { ObjectStore } from './object-store.ts';

/**
 * A store that is read once more without credentials where they were refused: public data. Writing is never tried anonymously.
 * Errors: those of the first try, where the second is refused as well.
 */
export const withAnonymousFallback = (store: ObjectStore, anonymous: () => ObjectStore): ObjectStore => ({
  name: store.name,
  get: async (key, signal, options) => {
    try {
      return await store.get(key, signal, options);
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'denied') throw error;
      return anonymous()
        .get(key, signal, options)
        .catch(() => Promise.reject(error));
    }
  },
  put: (key, body, options) => store.put(key, body, options),
  list: async function* (prefix, signal) {
    let begun = false;
    try {
      for await (const info of store.list(prefix, signal)) {
        begun = true;
        yield info;
      }
    } catch (error) {
      if (begun || !(error instanceof StoreError) || error.code !== 'denied') throw error;
      try {
        yield* anonymous().list(prefix, signal);
      } catch {
        throw error;
      }
    }
  },
  delete: (key, signal) => store.delete(key, signal),
});
