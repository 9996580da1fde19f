/** Work that goes first, and work that lets it pass: on a busy machine each takes the processor from the other. */
export interface Passage {
  /** Something is on its way. Call the result once it is through; a second call does nothing. */
  enter(): () => void;
  /** Resolves when nothing is on its way, after `mostMs` at the latest, or when the signal aborts. Never rejects. */
  clear(mostMs: number, signal?: AbortSignal): Promise<void>;
}

export const createPassage = (): Passage => {
  const inside = new Set<symbol>();
  const waiting = new Set<() => void>();
  return {
    enter: () => {
      const one = Symbol();
      inside.add(one);
      return () => {
        if (!inside.delete(one) || inside.size > 0) return;
        for (const go of waiting) go();
      };
    },
    clear: (mostMs, signal) =>
      new Promise(resolve => {
        if (inside.size === 0 || signal?.aborted) {
          resolve();
          return;
        }
        const go = () => {
          waiting.delete(go);
          clearTimeout(late);
          signal?.removeEventListener('abort', go);
          resolve();
        };
        const late = setTimeout(go, mostMs);
        waiting.add(go);
        signal?.addEventListener('abort', go, { once: true });
      }),
  };
};
