import type { StoredAttempt } from '../model/attempt.ts';
import type { Settlement } from '../model/outcome.ts';

export interface RecordDutyContext {
  /** What the queue is going to be told. */
  readonly settlementOf: (attempt: StoredAttempt) => Settlement['type'];
  readonly now: () => number;
}

/** So often the last word is tried where the store does not answer. */
const tries = 4;

/**
 * The duty to say in the metadata store how an experiment stands at the end of an attempt: `finished`, or `waiting` where another
 * attempt comes.
 * Errors: none: what the store refuses is an event.
 * Source: spec "Metadata store".
 */
export const createRecordDuty = (use: RecordDutyContext) => ({
  name: 'metadata store',
  run: async (attempt: StoredAttempt): Promise<void> => {
    const settlement = use.settlementOf(attempt);
    const isAgain = settlement === 'release' || settlement === 'retry';
    await attempt.experimentRecord.set(
      isAgain ? { status: 'waiting' } : { status: 'finished', finishedAtMs: use.now() },
      tries,
    );
  },
});
