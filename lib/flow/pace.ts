import { sleep } from './wait.ts';

/** Waits for a place in line; rejects with the signal's reason. */
export type Pace = (signal: AbortSignal) => Promise<void>;

/** So many a second at most, whoever asks, in the order they ask; after a pause up to a second's worth at once. */
export const createPace = (perSecond: number, now: () => number = () => performance.now()): Pace => {
  const eachMs = 1000 / perSecond;
  let nextAtMs = -Infinity;
  return async signal => {
    const atMs = now();
    nextAtMs = Math.max(nextAtMs + eachMs, atMs - 1000 + eachMs);
    if (nextAtMs > atMs) await sleep(nextAtMs - atMs, signal);
  };
};
