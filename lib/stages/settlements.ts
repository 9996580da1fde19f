import type { FinishedAttempt } from '../model/attempt.ts';
import type { Cause, End, HistoryEntry, Settlement } from '../model/outcome.ts';

/**
 * What a queue is told for each cause, as data.
 * - `accept`: done, whether well or not
 * - `release`: given back, not counted; the queue is left alone for a growing delay
 * - `retry`: counted; a copy with its history, until `maxAttempts`, then `reject`
 * - `reject`: a second run would end the same: dead letter
 * - `unplaced`: `release`, behind the others, until it has waited for `unplacedAfterMs`, then `reject`
 * - `none`: the message is not ours any more
 */
export type Rule = 'accept' | 'release' | 'retry' | 'reject' | 'unplaced' | 'none';

/** Source: spec "Settling". The closed list: a cause without a row does not compile. */
export const settlementRules: Readonly<Record<Cause, Rule>> = {
  completed: 'accept',
  exited: 'retry',
  killed: 'retry',
  'out-of-memory': 'retry',
  'out-of-disk': 'retry',
  'max-duration': 'accept',
  cancelled: 'accept',

  expired: 'accept',
  'artifact-missing': 'reject',
  'artifact-invalid': 'reject',
  'access-denied': 'reject',
  environment: 'reject',
  'image-missing': 'reject',
  'image-denied': 'reject',
  'no-such-program': 'reject',

  // Sealed for another cluster, or for a key that is yet to come or has just gone.
  'no-key': 'unplaced',
  'no-interpreter': 'unplaced',
  'no-room-ever': 'unplaced',
  'no-room': 'release',
  duplicate: 'release',
  'already-done': 'accept',

  'store-fault': 'release',
  'broker-fault': 'release',
  'engine-fault': 'release',
  'gpu-fault': 'release',
  stopping: 'release',
  'lease-lost': 'none',
  'queue-deleted': 'none',
  'runner-died': 'retry',
  // A fault of this program. Released it could go round for ever, so it counts.
  internal: 'retry',

  malformed: 'reject',
  'not-a-request': 'reject',
  'too-large': 'reject',
  'clear-text-refused': 'reject',
  unopenable: 'reject',
  'bad-signature': 'reject',
};

/** What the decision needs to know beside the cause. Times in ms. */
export interface SettlementFacts {
  readonly end: End;
  /** Number of the attempt that ended, 1 for the first. */
  readonly attempt: number;
  /** Ends of earlier attempts. */
  readonly history: readonly HistoryEntry[];
  readonly maxAttempts: number;
  readonly unplacedAfterMs: number;
  /** From the request; absent where it says nothing or was not understood. */
  readonly timeAddedMs: number | undefined;
  /** As the delivery says. */
  readonly unplacedSinceMs: number | undefined;
  readonly nowMs: number;
  readonly host: string;
}

/**
 * Since when a message waits for somebody who can run it, ms since the epoch. `time_added` is what anybody wrote: it may be missing, be
 * in another unit or lie in the future, and then what is known of the message itself bounds its time.
 */
export const waitingSinceMs = (facts: Pick<SettlementFacts, 'timeAddedMs' | 'unplacedSinceMs' | 'nowMs'>): number =>
  Math.min(facts.timeAddedMs ?? Infinity, facts.unplacedSinceMs ?? Infinity, facts.nowMs);

/** @param releaseDelayMs asked only when the message is released */
export const settlementFor = (facts: SettlementFacts, releaseDelayMs: () => number): Settlement => {
  const { end } = facts;
  // Its dead letter found no place before: that is told again, it did not end once more.
  const isTold = facts.attempt > facts.maxAttempts && facts.history.at(-1)?.cause === end.cause;
  const history: readonly HistoryEntry[] = isTold
    ? facts.history
    : [
        ...facts.history,
        { cause: end.cause, host: facts.host, at: new Date(facts.nowMs).toISOString(), message: end.message },
      ];
  const reject: Settlement = { type: 'reject', reason: end.cause, message: end.message, history };
  const rule = settlementRules[end.cause];
  switch (rule) {
    case 'accept':
    case 'none':
      return { type: rule };
    case 'reject':
      return reject;
    case 'retry':
      return facts.attempt >= facts.maxAttempts ? reject : { type: 'retry', attempt: facts.attempt, history };
    case 'unplaced':
      if (facts.nowMs - waitingSinceMs(facts) > facts.unplacedAfterMs) return reject;
      return {
        type: 'release',
        delayMs: releaseDelayMs(),
        unplacedSinceMs: Math.min(facts.unplacedSinceMs ?? Infinity, facts.nowMs),
      };
    case 'release':
      return { type: 'release', delayMs: releaseDelayMs() };
    default:
      return rule satisfies never;
  }
};

/** What the queue is to be told about an attempt that ended. @param use its `now` in ms since the epoch */
export const settlementOf = (
  { end, identity, delivery, record }: FinishedAttempt,
  use: Pick<SettlementFacts, 'maxAttempts' | 'unplacedAfterMs' | 'host'> & { readonly now: () => number },
  releaseDelayMs: () => number,
): Settlement => {
  const timeAdded = record.request?.timeAddedSeconds ?? record.timeAddedSeconds;
  return settlementFor(
    {
      end,
      attempt: identity.number,
      history: delivery.history,
      maxAttempts: use.maxAttempts,
      unplacedAfterMs: use.unplacedAfterMs,
      timeAddedMs: timeAdded === undefined ? undefined : timeAdded * 1000,
      unplacedSinceMs: delivery.unplacedSinceMs,
      nowMs: use.now(),
      host: use.host,
    },
    releaseDelayMs,
  );
};
