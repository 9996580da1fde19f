import { isStoreError } from '../errors.ts';
import { createTurns } from '../flow/in-turn.ts';
import { whileRunning } from '../flow/while-running.ts';
import type { AttemptFence, AttemptScope, FenceMark } from '../model/attempt.ts';
import { readFence, writeFence } from './fence.ts';
import type { ObjectLocation } from './object-store.ts';

export interface HeldFenceContext {
  readonly now: () => number;
  /** Of the attempt: it is over when this closes. */
  readonly scope: AttemptScope;
  /** Hears of each renewal that failed; the next one is tried all the same. */
  readonly onFailure: (error: unknown) => void;
}

/** Nobody else gets the message so soon after it was seen to be ours, ms: what is over by then needs no look. */
const freshMs = 2000;
const renewEveryMs = 60_000;
/** Two renewals may fail. */
const renewedForMs = 3 * renewEveryMs;
/** Words cost less than the error that is made without a reason. */
const over = 'the mark is not held any more';

/** Until when a mark that is written now needs no renewal, RFC 3339. */
export const renewByFrom = (nowMs: number): string => new Date(nowMs + renewedForMs).toISOString();

/**
 * The fence with our mark on it, which is renewed until the attempt ends it, is over, or another one's mark stands there.
 * @param written the mark's etag
 */
export const holdFence = (
  place: ObjectLocation,
  mark: FenceMark,
  written: string | undefined,
  { now, scope, onFailure }: HeldFenceContext,
): AttemptFence => {
  const inTurn = createTurns();
  const ending = new AbortController();
  let etag = written;
  let seenAtMs = now();

  const otherMark = async (signal: AbortSignal): Promise<FenceMark | undefined> => {
    const found = await readFence(place, signal);
    if (found?.mark && found.mark.accession !== mark.accession) return found.mark;
    etag = found?.etag;
    seenAtMs = now();
    return undefined;
  };

  const renew = async (signal: AbortSignal): Promise<void> => {
    const found = await readFence(place, signal);
    // What its user removed is not made again.
    if (!found) return;
    if (found.mark && found.mark.accession !== mark.accession) {
      ending.abort(over);
      return;
    }
    etag = await writeFence(place, { ...mark, renewBy: renewByFrom(now()) }, found, signal);
    seenAtMs = now();
  };

  const renewing = (signal: AbortSignal) =>
    inTurn(() => renew(signal)).catch((error: unknown) => {
      if (!signal.aborted) onFailure(error);
    });
  void whileRunning(renewEveryMs, renewing, ending.signal);
  scope.add('fence', () => {
    ending.abort(over);
  });

  return {
    look: async signal => (now() - seenAtMs < freshMs ? undefined : otherMark(signal)),
    end: (state, signal) => {
      ending.abort(over);
      const { until: _, renewBy: __, ...rest } = mark;
      const ended = { ...rest, state, at: new Date(now()).toISOString() };
      return inTurn(async () => {
        try {
          await writeFence(place, ended, { etag }, signal);
        } catch (error) {
          // It is ours all the same where nobody heard the answer to our last renewal.
          if (!isStoreError(error, 'precondition') || (await otherMark(signal))) throw error;
          await writeFence(place, ended, { etag }, signal);
        }
      });
    },
  };
};
