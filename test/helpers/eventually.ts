import { setTimeout as delay } from 'node:timers/promises';

/** Try an assertion until it holds.
 *  In: `assertion` throws or rejects while its condition doesn't hold yet; node:assert is meant, since tap's own assertions
 *  count each failed try. `timeoutMs` in all, `everyMs` between two tries.
 *  Out: what the assertion returned at last. Errors: those of its last try, once the time is up. */
export const eventually = async <T>(
  assertion: () => T | Promise<T>,
  { timeoutMs = 10_000, everyMs = 20 }: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<T> => {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (performance.now() >= deadlineMs) throw error;
    }
    await delay(everyMs);
  }
};
