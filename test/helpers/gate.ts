export interface Gate<T = void> {
  /** Settles when the gate is opened; an aborted wait leaves its line, and rejects with the signal's reason. */
  wait(signal?: AbortSignal): Promise<T>;
  /** Lets everyone through who waits, and who comes later. Only the first call counts. */
  open(value: T): void;
  /** How many wait now. */
  readonly waiting: number;
}

/** A point that a test holds others at until it opens it, in place of a sleep. */
export const gate = <T = void>(): Gate<T> => {
  const opened = Promise.withResolvers<T>();
  let waiting = 0;
  return {
    async wait(signal) {
      signal?.throwIfAborted();
      waiting++;
      const aborted = Promise.withResolvers<never>();
      const leave = (): void => aborted.reject(signal?.reason);
      signal?.addEventListener('abort', leave, { once: true });
      try {
        return await Promise.race([opened.promise, aborted.promise]);
      } finally {
        waiting--;
        signal?.removeEventListener('abort', leave);
      }
    },
    open: opened.resolve,
    get waiting() {
      return waiting;
    },
  };
};
