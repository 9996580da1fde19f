import { mergeMap, type OperatorFunction } from 'rxjs';
import { messageOf, UnplacedLetter } from '../errors.ts';
import type { GrowingDelays } from '../flow/growing-delay.ts';
import type { FinishedAttempt, Settled } from '../model/attempt.ts';
import { billMembers, billOf, endCurrentSpan, endSpan } from '../output/bill.ts';
import { queueId } from '../queues/queue.ts';
import type { Emit } from '../telemetry/events.ts';
import { settlementOf } from './settlements.ts';

export interface SettleContext {
  readonly emit: Emit;
  readonly host: string;
  readonly maxAttempts: number;
  readonly unplacedAfterMs: number;
  /** Per queue: how long this runner leaves it alone after a release. */
  readonly delays: GrowingDelays;
  readonly now: () => number;
}

/**
 * Tell the queue how its message ended, then give back what the attempt still holds.
 * In: FinishedAttempt, everything stored. Out: Settled, once the scope is closed.
 * Errors: none; a queue that cannot be told gives the message back by itself (event `settle-failed`, and `dead-letter-unplaced`
 * where there is no place for its dead letter), and is left alone for a growing delay.
 * Source: spec "Settling".
 */
export const settle = (use: SettleContext): OperatorFunction<FinishedAttempt, Settled> =>
  mergeMap(async attempt => {
    const { delivery, identity, record, end } = attempt;
    const queue = queueId(delivery.queue);
    const settlement = settlementOf(attempt, use, () => use.delays.next(queue, use.now()));
    let delayMs = settlement.type === 'release' ? settlement.delayMs : 0;
    let told = false;
    try {
      await delivery.settle(settlement);
      told = true;
      if (settlement.type !== 'release' && settlement.type !== 'none') use.delays.reset(queue);
      const settledAtMs = use.now();
      if (record.began) endSpan(record, 'stored', settledAtMs);
      else endCurrentSpan(record, settledAtMs);
      use.emit(
        'settled',
        {
          settlement: settlement.type,
          cause: end.cause,
          message: end.message,
          delayMs,
          durationMs: settledAtMs - identity.startedAtMs,
          timings: billMembers(billOf(record, identity.startedAtMs)),
        },
        record,
      );
    } catch (error) {
      // It comes back, and would be run again at once.
      if (settlement.type !== 'release' && !delivery.lost.aborted) delayMs = use.delays.next(queue, use.now());
      use.emit('settle-failed', { settlement: settlement.type, error: messageOf(error) }, record);
      if (error instanceof UnplacedLetter) {
        const unplaced = { reason: end.cause, error: messageOf(error), remedy: error.remedy, delayMs };
        use.emit('dead-letter-unplaced', unplaced, record);
      }
    }
    await attempt.scope.close();
    return {
      queue: delivery.queue,
      identity,
      ...(record.experiment === undefined ? {} : { experiment: record.experiment }),
      ...(record.project === undefined ? {} : { project: record.project }),
      end,
      settlement: settlement.type,
      told,
      delayMs,
    };
  });
