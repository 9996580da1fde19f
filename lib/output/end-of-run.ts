import { constants } from 'node:os';
import { AttemptError } from '../errors.ts';
import type { Cause, End, Exit } from '../model/outcome.ts';

const FULL_DISK: readonly (string | undefined)[] = ['ENOSPC', 'EDQUOT'];

/** The cause of a failed write to output/output. */
export const causeOfWriteFailure = (error: NodeJS.ErrnoException): Cause =>
  FULL_DISK.includes(error.code) ? 'out-of-disk' : 'internal';

const stoppedWords = (cause: Cause, reason: unknown): string =>
  reason instanceof AttemptError && reason.code === cause ? reason.message : `stopped: ${cause}`;

/**
 * Why an experiment ended. A stop by the runner comes before what the program made of it; then output that could not be
 * written; then the exit itself.
 * @param stopReason of the attempt's signal, where it aborted
 * @param writeFailure of output/output
 */
export const endOfRun = (exit: Exit, stopReason?: unknown, writeFailure?: NodeJS.ErrnoException): End => {
  const writeCause = writeFailure && causeOfWriteFailure(writeFailure);
  const cause = exit.stoppedBy ?? writeCause;
  if (cause !== undefined && cause === writeCause) {
    return { cause, message: `writing output/output failed: ${writeFailure?.message}`, exit };
  }
  if (cause !== undefined) return { cause, message: stoppedWords(cause, stopReason), exit };
  if (exit.signal !== null) return { cause: 'killed', message: `killed by ${exit.signal}`, exit };
  if (exit.code === 0) return { cause: 'completed', message: 'exited with code 0', exit };
  return { cause: 'exited', message: `exited with code ${exit.code}`, exit };
};

/** One number for how a process ended, as shells say it: its code, or 128 and the number of the signal. */
export const exitCodeOf = (exit: Exit): number | null =>
  exit.signal === null ? exit.code : 128 + constants.signals[exit.signal];
