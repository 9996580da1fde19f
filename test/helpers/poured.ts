import { setTimeout as sleep } from 'node:timers/promises';
import { createByteRing, RingReader } from '../../lib/flow/byte-ring.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { pourInto } from '../../lib/storage/pour.ts';
import type { Emit } from '../../lib/telemetry/events.ts';

export interface Pouring {
  readonly emit: Emit;
  readonly signal?: AbortSignal | undefined;
  /** Done when the size of the object is known, before the rest. */
  readonly meanwhile?: (() => Promise<unknown>) | undefined;
  /** Of the ring, bytes. */
  readonly capacity?: number;
  /** What the reader waits after each piece, ms. */
  readonly pauseMs?: number;
}

/** An object by way of a ring. `told`: what a watcher was told of; `gets`: how often the store's own client was asked. */
export const poured = async (
  store: ObjectStore,
  key: string,
  { emit, signal, meanwhile, capacity, pauseMs }: Pouring,
): Promise<{ readonly bytes: Buffer; readonly told: number; readonly gets: number }> => {
  let [told, gets] = [0, 0];
  const counted: ObjectStore = {
    ...store,
    get: (...args) => {
      gets++;
      return store.get(...args);
    },
  };
  const ring = createByteRing(capacity);
  const object = await counted.get(key, signal);
  await meanwhile?.();
  const onBytes = (bytes: number) => (told += bytes);
  const pieces: Buffer[] = [];
  const reading = (async () => {
    for await (const piece of new RingReader(ring).copies()) {
      pieces.push(piece);
      if (pauseMs !== undefined) await sleep(pauseMs);
    }
  })();
  reading.catch(() => undefined);
  await pourInto(ring, object, { store: counted, key, signal, emit, onBytes, baseMs: 1 });
  await reading;
  return { bytes: Buffer.concat(pieces), told, gets };
};
