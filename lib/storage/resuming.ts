import type { About, Emit } from '../telemetry/events.ts';
import { createProgress } from '../telemetry/progress.ts';
import type { Readable } from 'node:stream';
import { pourInto } from './pour.ts';
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
      const context = { ...use, store, key: one, signal, onBytes: progress.add };
      const { sizeBytes, etag } = object;
      let body: Readable | undefined;
      return {
        sizeBytes,
        etag,
        get body() {
          return (body ??= resumedBody(object, context).once('end', progress.end));
        },
        pour: async ring => {
          await pourInto(ring, object, context);
          progress.end();
        },
      };
    },
    put: (one, body, options) => store.put(one, body, options),
    list: (prefix, signal) => store.list(prefix, signal),
    delete: (one, signal) => store.delete(one, signal),
  },
});
