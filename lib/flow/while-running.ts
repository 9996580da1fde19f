import { sleep } from './wait.ts';

/**
 * Repeat a side task for as long as something runs: `everyMs` after its last turn ended, until the signal aborts. The task tells
 * its failures itself; one that rejects ends the repetition.
 */
export const whileRunning = async (
  everyMs: number,
  task: (signal: AbortSignal) => Promise<void>,
  until: AbortSignal,
): Promise<void> => {
  try {
    for (;;) {
      await sleep(everyMs, until);
      await task(until);
    }
  } catch (error) {
    if (!until.aborted) throw error;
  }
};
