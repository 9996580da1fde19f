import { messageOf } from '../../lib/errors.ts';
import { sleep } from '../../lib/flow/wait.ts';
import type { DeadLetter, DeadLetters } from '../../lib/queues/dead-letters.ts';
import { humanDuration } from '../../lib/telemetry/person-format.ts';

export interface WaitingSettings {
  readonly queue: string;
  /** The message as it was sent. */
  readonly body: Buffer;
  /** From then on no runner starts it, ms since the epoch. */
  readonly startByMs: number;
  /** The dead letters of the queue's broker; closed after each look. */
  readonly openDeadLetters: () => Promise<readonly DeadLetters[]>;
  /** Messages on the queue; undefined where nobody tells. */
  readonly depth: () => Promise<number | undefined>;
  readonly say: (words: string) => void;
  readonly signal: AbortSignal;
  readonly now?: () => number;
}

/** Why an experiment will not run. */
export interface NeverRuns {
  readonly status: 'rejected' | 'expired';
  readonly message: string;
}

/** What is known of an experiment that no runner has started. */
export interface Waiting {
  /** To be called again and again: looks ever more rarely, and says what it waits for. Undefined: it may yet run. */
  look(): Promise<NeverRuns | undefined>;
  /** Why its message was rejected, where it was: asked until it is known, a few seconds at most. */
  refusal(): Promise<NeverRuns | undefined>;
}

const firstLookMs = 2000;
const longestMs = 60_000;
const firstWordMs = 30_000;
/** A runner's clock may be another, and it may be about to start it. */
const graceMs = 60_000;
const refusalTries = 10;
const refusalPauseMs = 1000;

/** A request that nobody could open or believe has no record of its end: only its dead letter tells. */
export const createWaiting = (use: WaitingSettings): Waiting => {
  const { queue, body, startByMs, say, signal, now = Date.now } = use;
  const startedAtMs = now();
  let pauseMs = firstLookMs;
  let lookAtMs = startedAtMs + pauseMs;
  let wordMs = firstWordMs;
  let told = false;

  const letter = async (): Promise<DeadLetter | undefined> => {
    let found: DeadLetter | undefined;
    const opened = await use.openDeadLetters();
    try {
      for (const letters of opened)
        await letters.visit(
          queue,
          one => {
            if (one.body.equals(body)) found = one;
            return 'keep';
          },
          signal,
        );
    } finally {
      await Promise.allSettled(opened.map(one => one.close()));
    }
    return found;
  };
  const rejected = async (): Promise<NeverRuns | undefined> => {
    try {
      const found = await letter();
      if (!found) return undefined;
      const message = `it was rejected: ${found.reason}: ${found.message} [queue=${queue}, dead letter=${found.id}]`;
      return { status: 'rejected', message };
    } catch (error) {
      signal.throwIfAborted();
      if (!told) say(`it can not be told whether it was rejected: ${messageOf(error)}`);
      told = true;
      return undefined;
    }
  };
  const onQueue = async (): Promise<string> => {
    const count = await use.depth().catch(() => undefined);
    if (count === undefined) return '';
    return `; ${count === 1 ? '1 message lies' : `${String(count)} messages lie`} on the queue`;
  };

  return {
    look: async () => {
      if (now() < lookAtMs) return undefined;
      const why = await rejected();
      if (why) return why;
      const waitedMs = now() - startedAtMs;
      if (now() > startByMs + graceMs) {
        const message = `no runner started it within its lifetime${await onQueue()} [queue=${queue}]`;
        return { status: 'expired', message };
      }
      if (waitedMs >= wordMs) {
        wordMs = waitedMs * 2;
        say(`waiting for ${humanDuration(waitedMs)}${await onQueue()}; runner why ${queue} asks a runner what for`);
      }
      pauseMs = Math.min(pauseMs * 2, longestMs);
      lookAtMs = now() + pauseMs;
      return undefined;
    },
    refusal: async () => {
      for (let left = refusalTries; left > 0; left--) {
        const why = await rejected();
        if (why) return why;
        if (now() >= startByMs) return { status: 'expired', message: 'no runner started it within its lifetime' };
        await sleep(refusalPauseMs, signal);
      }
      return undefined;
    },
  };
};
