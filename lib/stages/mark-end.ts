import { mergeMap, type OperatorFunction } from 'rxjs';
import { messageOf } from '../errors.ts';
import { within } from '../flow/wait.ts';
import type { FinishedAttempt } from '../model/attempt.ts';
import type { Cause } from '../model/outcome.ts';
import type { Emit } from '../telemetry/events.ts';
import { settlementRules, type Rule } from './settlements.ts';

export interface MarkEndContext {
  readonly emit: Emit;
}

/** What is written for each way to settle. A message that is given back is begun again under the same number, by whoever gets it. */
const states: Readonly<Record<Rule, 'done' | 'ended' | undefined>> = {
  accept: 'done',
  retry: 'ended',
  reject: 'ended',
  unplaced: 'ended',
  release: 'ended',
  none: undefined,
};

/** Ends of attempts beside which another one has its mark there. */
const ofOthers: ReadonlySet<Cause> = new Set(['already-done', 'duplicate']);

const patienceMs = 10_000;
/** A mark that is not renewed lapses by itself soon: a runner that stops has no time for more. */
const releasePatienceMs = 2000;

/**
 * Write at the experiment's fence how the attempt ended, before the queue is told: should the message come again, it is known.
 * In: FinishedAttempt, everything stored. Out: the same.
 * Errors: none; a mark that can't be written is an event, and a second message would run again.
 * Source: docs/design.md, "Fence".
 */
export const markEnd = (use: MarkEndContext): OperatorFunction<FinishedAttempt, FinishedAttempt> =>
  mergeMap(async attempt => {
    const { record, end } = attempt;
    const rule = settlementRules[end.cause];
    const state = states[rule];
    if (!record.fence || state === undefined || ofOthers.has(end.cause)) return attempt;
    const { fence } = record;
    try {
      await within(rule === 'release' ? releasePatienceMs : patienceMs, signal => fence.end(state, signal));
    } catch (error) {
      use.emit('fence-failed', { error: messageOf(error) }, record);
    }
    return attempt;
  });
