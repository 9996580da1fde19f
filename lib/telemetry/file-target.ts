import { close, constants, fstatSync, openSync, statSync, type Stats } from 'node:fs';

/** O_NONBLOCK: a named pipe without a reader fails at once, it isn't waited for. */
const openFile = (path: string): number =>
  openSync(
    path,
    constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY,
    0o640,
  );

const isSame = (a: Stats, b: Stats | undefined): boolean => b !== undefined && a.ino === b.ino && a.dev === b.dev;

/** Between two looks whether the file still has its name, ms. */
const lookEveryMs = 1000;

/** A file that is appended to, also after somebody has renamed or removed it. */
export interface FileTarget {
  readonly fd: number;
  /** To be called where nothing is being written. Looks now and then, or `now`; another file of that name is opened then. */
  refresh(now: boolean): void;
}

/** Errors: what opening the file says (ENOENT, EACCES, ENXIO for a pipe that nobody reads). */
export const createFileTarget = (path: string): FileTarget => {
  let fd = openFile(path);
  let lookedAtMs = performance.now();
  return {
    get fd() {
      return fd;
    },
    refresh: now => {
      if (!now && performance.now() - lookedAtMs < lookEveryMs) return;
      lookedAtMs = performance.now();
      try {
        if (isSame(fstatSync(fd), statSync(path, { throwIfNoEntry: false }))) return;
        const fresh = openFile(path);
        close(fd);
        fd = fresh;
      } catch {
        // The old one takes lines until the new one can be had.
      }
    },
  };
};
