/** A delay that doubles each time it is asked for, per key, until it is reset. */
export interface GrowingDelays {
  /** The next delay for this key, ms. */
  next(key: string): number;
  reset(key: string): void;
}

/** @param firstMs the first delay @param maxMs the ceiling */
export const createGrowingDelays = (firstMs: number, maxMs: number): GrowingDelays => {
  const counts = new Map<string, number>();
  return {
    next: key => {
      const count = counts.get(key) ?? 0;
      counts.set(key, count + 1);
      return Math.min(maxMs, firstMs * 2 ** Math.min(count, 30));
    },
    reset: key => {
      counts.delete(key);
    },
  };
};
