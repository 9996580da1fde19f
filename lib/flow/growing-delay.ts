/** How long each key is left alone: a delay that doubles each time it is asked for until it is reset. */
export interface GrowingDelays {
  /** The next delay for this key, ms, counted from now. */
  next(key: string, nowMs: number): number;
  /** What is left of the last one, ms; 0 when it is over. */
  remaining(key: string, nowMs: number): number;
  reset(key: string): void;
}

/** @param firstMs the first delay @param maxMs the ceiling @param steps after so many the ceiling holds */
export const createGrowingDelays = (firstMs: number, maxMs: number, steps: number): GrowingDelays => {
  const keys = new Map<string, { count: number; untilMs: number }>();
  return {
    next: (key, nowMs) => {
      const count = (keys.get(key)?.count ?? 0) + 1;
      const delayMs = count >= steps ? maxMs : Math.min(maxMs, firstMs * 2 ** (count - 1));
      keys.set(key, { count, untilMs: nowMs + delayMs });
      return delayMs;
    },
    remaining: (key, nowMs) => Math.max(0, (keys.get(key)?.untilMs ?? 0) - nowMs),
    reset: key => {
      keys.delete(key);
    },
  };
};
