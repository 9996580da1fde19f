/** Between two looks at files of keys, ms, a quarter more at most: with `soonMs` and the look itself well below the second that changes may take. */
const everyMs = 400;
/** Until a look that decides about something doubtful. */
const soonMs = 150;

/** Work that is done again and again, one at a time. */
export interface Repeated {
  /** Do it now, or after the one that is under way. */
  readonly now: () => Promise<void>;
  readonly stop: () => void;
}

/**
 * Repeat `work` until stopped; it never rejects. Its timer keeps no process alive.
 * @param work resolves with whether it must be repeated soon
 */
export const repeat = (work: () => Promise<boolean>): Repeated => {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let last: Promise<void> = Promise.resolve();
  const once = async () => {
    clearTimeout(timer);
    if (stopped) return;
    const soon = await work();
    clearTimeout(timer);
    // All on one beat: each time that a process wakes up costs more than what it does then.
    const leftMs = everyMs - (performance.now() % everyMs);
    const beatMs = leftMs < everyMs / 4 ? leftMs + everyMs : leftMs;
    if (!stopped) timer = setTimeout(() => void now(), soon ? soonMs : beatMs).unref();
  };
  const now = (): Promise<void> => (last = last.then(once));
  return {
    now,
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
};
