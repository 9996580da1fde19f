import type { About, Emit } from './events.ts';

export interface ProgressContext {
  readonly emit: Emit;
  readonly about?: About | undefined;
  readonly operation: 'get' | 'put';
  readonly artifact: string;
  /** Undefined where it is not known beforehand. */
  readonly totalBytes: number | undefined;
  /** A clock, ms. */
  readonly now?: () => number;
}

export interface Progress {
  /** So many bytes more. */
  readonly add: (bytes: number) => void;
  /** All is done; told where anything was told before. */
  readonly end: () => void;
}

const everyMs = 1000;

/** Tells of a transfer that takes longer than a second, once a second while bytes come: done, of how many, how fast lately. */
export const createProgress = (use: ProgressContext): Progress => {
  const { emit, about, operation, artifact, totalBytes, now = () => performance.now() } = use;
  const startedAtMs = now();
  let toldAtMs = startedAtMs;
  let toldBytes = 0;
  let doneBytes = 0;
  const tell = (atMs: number) => {
    const bytesPerSecond = Math.round(((doneBytes - toldBytes) * 1000) / Math.max(atMs - toldAtMs, 1));
    emit('transferring', { operation, artifact, doneBytes, totalBytes, bytesPerSecond }, about);
    toldAtMs = atMs;
    toldBytes = doneBytes;
  };
  return {
    add: bytes => {
      doneBytes += bytes;
      const atMs = now();
      if (atMs - toldAtMs >= everyMs) tell(atMs);
    },
    end: () => {
      if (toldAtMs > startedAtMs) tell(now());
    },
  };
};
