import type { About, Emit } from '../telemetry/events.ts';
import { createProgress } from '../telemetry/progress.ts';
import type { ObjectLocation } from './object-store.ts';
import { resumedBody } from './resumed-body.ts';

export interface ResumingContext {
  readonly emit: Emit;
  readonly about: About;
  /** Its label, for events. */
  readonly artifact: string;
}

/** The place of an artifact, where reading goes on when it is cut off, is compared with what the store says, and tells how far it is. */
export const resuming = ({ store, key }: ObjectLocation, use: ResumingContext): ObjectLocation => ({
  key,
  store: {
    name: store.name,
    get: async (one, signal, options) => {
      const object = await store.get(one, signal, options);
      const progress = createProgress({ ...use, operation: 'get', totalBytes: object.sizeBytes });
      const body = resumedBody(object, { ...use, store, key: one, signal, onBytes: progress.add });
      body.once('end', progress.end);
      return { body, sizeBytes: object.sizeBytes, etag: object.etag };
    },
    put: (one, body, options) => store.put(one, body, options),
    list: (prefix, signal) => store.list(prefix, signal),
    delete: (one, signal) => store.delete(one, signal),
  },
});
