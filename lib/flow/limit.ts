/** Run work, so many at a time; what is above that waits in its order. */
export type Limit = <T>(work: () => Promise<T>) => Promise<T>;

export const createLimit = (most: number): Limit => {
  const line: (() => void)[] = [];
  let running = 0;
  return async work => {
    if (running < most) running += 1;
    else await new Promise<void>(resolve => line.push(resolve));
    try {
      return await work();
    } finally {
      // The place goes to the next in line, or is free again.
      const next = line.shift();
      if (next) next();
      else running -= 1;
    }
  };
};
