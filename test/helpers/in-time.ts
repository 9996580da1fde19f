const most = 3;

/**
 * Do something until it took less than `limitMs`, three times at most: a machine that stalls is late now and then, what waits for a slow
 * look again and again.
 * In: `once` does it, and resolves with the ms that it took. Out: what it took each time.
 */
export const inTime = async (limitMs: number, once: () => Promise<number>): Promise<readonly number[]> => {
  const tookMs: number[] = [];
  while (tookMs.length < most && Math.min(...tookMs) >= limitMs) tookMs.push(await once());
  return tookMs;
};
