import { EMPTY, from, mergeMap, of, type OperatorFunction } from 'rxjs';
import { messageOf } from '../errors.ts';
import { conflateMap } from '../flow/conflate.ts';
import type { FenceMark, ObservedAttempt } from '../model/attempt.ts';
import type { Cause } from '../model/outcome.ts';
import { laterSnapshot } from '../output/later-snapshot.ts';
import { withRetry } from '../storage/retry.ts';
import type { Emit } from '../telemetry/events.ts';

export interface StandBackContext {
  readonly emit: Emit;
}

/** Ends after which nothing is stored anyway. */
const storesNothing: ReadonlySet<Cause | undefined> = new Set(['lease-lost', 'duplicate', 'already-done']);

/** Whoever has a higher number got the message after it came home from us: our lease is lost. */
const causeOf = (mark: FenceMark, attempt: ObservedAttempt): Cause =>
  mark.attempt > attempt.identity.number ? 'lease-lost' : 'duplicate';

/** The mark of another attempt; undefined where there is none, and where the store can't be asked. */
const otherMark = async (attempt: ObservedAttempt, { emit }: StandBackContext): Promise<FenceMark | undefined> => {
  const { record } = attempt;
  if (!record.fence || storesNothing.has(attempt.end?.cause)) return undefined;
  const { fence } = record;
  // What is stored after a stop is stored all the same.
  const { signal } = new AbortController();
  try {
    const retry = { signal, emit, about: record, operation: 'get', object: 'fence', attempts: 6, maxMs: 5000 };
    return await withRetry(() => fence.look(signal), retry);
  } catch (error) {
    emit('fence-failed', { error: messageOf(error) }, record);
    return undefined;
  }
};

/**
 * Look whether another attempt of the experiment has begun meanwhile, before anything is stored: then its results count, and
 * this attempt stops. Snapshots that come while the store is asked become one.
 * In: ObservedAttempt. Out: the same; a snapshot that came too late is left out, an end says `lease-lost` (nothing to settle)
 * or, where the other is not known to be newer, `duplicate` (given back).
 * Errors: none. A store without conditional writes leaves the time between this look and the end of the upload open.
 * Source: docs/design.md, "Fence".
 */
export const standBack = (use: StandBackContext): OperatorFunction<ObservedAttempt, ObservedAttempt> =>
  conflateMap(laterSnapshot, attempt =>
    from(otherMark(attempt, use)).pipe(
      mergeMap(mark => {
        if (!mark) return of(attempt);
        const cause = causeOf(mark, attempt);
        use.emit('stood-back', { cause, by: mark.accession, byAttempt: mark.attempt }, attempt.record);
        if (!attempt.end) {
          attempt.run?.stop(cause);
          return EMPTY;
        }
        const message = `attempt ${String(mark.attempt)} has begun meanwhile [by=${mark.accession}]`;
        return of({ ...attempt, end: { ...attempt.end, cause, message } });
      }),
    ),
  );
