import { watch, type FSWatcher } from 'node:fs';

/** Watches can be lost, and network file systems have none: a look every so often finds what they missed, ms. */
const lookEveryMs = 2000;

/**
 * Yields once at the start, then after each change in a directory, and every two seconds. Several changes between two looks are one.
 * Ends when the signal aborts; a directory that can't be watched is looked at by time only.
 * @param matters whether a change of this name is worth a look
 */
export async function* changesOf(
  directory: string,
  signal: AbortSignal,
  matters: (name: string) => boolean = () => true,
): AsyncGenerator<void> {
  let changed = true;
  let wake: (() => void) | undefined;
  const note = () => {
    changed = true;
    wake?.();
  };
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(directory, (_event, name) => {
      if (name === null || matters(name)) note();
    });
    watcher.on('error', note);
  } catch {
    // Looked at by time only.
  }
  const timer = setInterval(note, lookEveryMs);
  signal.addEventListener('abort', note, { once: true });
  try {
    while (!signal.aborted) {
      if (changed) {
        changed = false;
        yield;
      } else {
        await new Promise<void>(resolve => {
          wake = resolve;
        });
        wake = undefined;
      }
    }
  } finally {
    clearInterval(timer);
    watcher?.close();
    signal.removeEventListener('abort', note);
  }
}
