import { constants } from 'node:os';
import { AttemptError } from '../errors.ts';
import type { Cause, End, Exceeded, Exit } from '../model/outcome.ts';
import { humanBytes } from '../telemetry/person-format.ts';

const FULL_DISK: readonly (string | undefined)[] = ['ENOSPC', 'EDQUOT'];

/** The cause of a failed write to output/output. */
export const causeOfWriteFailure = (error: NodeJS.ErrnoException): Cause =>
  FULL_DISK.includes(error.code) ? 'out-of-disk' : 'internal';

const stoppedWords = (cause: Cause, reason: unknown): string => {
  if (reason instanceof AttemptError && reason.code === cause) return reason.message;
  if (cause === 'gpu-fault')
    return 'it failed, and a card that it ran on is gone, has memory errors, or does not answer';
  return `stopped: ${cause}`;
};

const causeOfExcess = ({ resource }: Exceeded): Cause => (resource === 'memory' ? 'out-of-memory' : 'out-of-disk');

const excessWords = ({ resource, limitBytes, usedBytes, because }: Exceeded): string => {
  const limit = limitBytes === 0 ? 'none' : humanBytes(limitBytes);
  if (because === 'ceiling') return `out of ${resource}: the limit is ${limit}, the peak ${humanBytes(usedBytes)}`;
  return `out of ${resource}: the machine ran short, and it was the furthest beyond what it asked for: asked ${limit}, used ${humanBytes(usedBytes)}`;
};

/** Programs seldom say well why they could start no process. */
const refusedWords = ({ refusedStarts = 0 }: Exit): string =>
  refusedStarts === 0 ? '' : `; it could not start a process ${String(refusedStarts)} times, for there were too many`;

/**
 * Why an experiment ended. A stop by the runner comes before what the program made of it; then output that could not be
 * written; then the exit itself.
 * @param stopReason of the attempt's signal, where it aborted
 * @param writeFailure of output/output
 */
export const endOfRun = (exit: Exit, stopReason?: unknown, writeFailure?: NodeJS.ErrnoException): End => {
  const writeCause = writeFailure && causeOfWriteFailure(writeFailure);
  const cause = exit.stoppedBy ?? writeCause;
  const { exceeded } = exit;
  if (exceeded && (cause === undefined || cause === causeOfExcess(exceeded)))
    return { cause: causeOfExcess(exceeded), message: excessWords(exceeded), exit };
  if (cause !== undefined && cause === writeCause) {
    return { cause, message: `writing output/output failed: ${writeFailure?.message}`, exit };
  }
  if (cause !== undefined) return { cause, message: stoppedWords(cause, stopReason), exit };
  if (exit.signal === null && exit.code === null) {
    const message = 'nobody can tell how it ended: what had started it for the runner is gone';
    return { cause: 'internal', message, exit };
  }
  if (exit.signal !== null) return { cause: 'killed', message: `killed by ${exit.signal}${refusedWords(exit)}`, exit };
  if (exit.code === 0) return { cause: 'completed', message: 'exited with code 0', exit };
  return { cause: 'exited', message: `exited with code ${exit.code}${refusedWords(exit)}`, exit };
};

/** One number for how a process ended, as shells say it: its code, or 128 and the number of the signal. */
export const exitCodeOf = (exit: Exit): number | null =>
  exit.signal === null ? exit.code : 128 + constants.signals[exit.signal];
