import { mergeMap, type OperatorFunction } from 'rxjs';
import { AttemptError } from '../errors.ts';
import { orAborted, TimeOver, within } from '../flow/wait.ts';
import type { AdmittedAttempt, RequestedAttempt } from '../model/attempt.ts';
import type { Delivery } from '../model/delivery.ts';
import type { Shortage } from '../model/resources.ts';
import { endSpan } from '../output/bill.ts';
import { queueId } from '../queues/queue.ts';
import { deadlineMs } from '../request/effective.ts';
import type { Demand } from '../resources/demand.ts';
import type { Ledger } from '../resources/ledger.ts';
import { listShortages, shortagesByResource } from '../resources/shortages.ts';
import type { Emit } from '../telemetry/events.ts';

export interface AdmitContext {
  readonly ledger: Ledger;
  readonly demand: Demand;
  readonly emit: Emit;
  /** How long a message that does not fit now is held before it is given back. */
  readonly holdMs: number;
  readonly maxAttempts: number;
  readonly now: () => number;
}

/** Who else uses a card is seen before it is granted. Errors: `gpu-fault` where the cards can't be looked at. */
const lookAtCards = async ({ request, signal }: RequestedAttempt, { ledger }: AdmitContext): Promise<void> => {
  if (request.resources.gpus === 0) return;
  try {
    await orAborted(ledger.cards.refresh(), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new AttemptError('gpu-fault', 'the cards can not be looked at', {}, { cause: error });
  }
};

/** Too many attempts were started. Where each was ended there was no place for the dead letter: the last end is told again. */
const exhausted = ({ attemptsBefore, history }: Delivery): AttemptError => {
  const last = history.at(-1);
  if (last && last.cause !== 'runner-died' && history.length >= attemptsBefore)
    return new AttemptError(last.cause, last.message ?? 'it ended so before');
  const ended = history.length === 0 ? 'none was ended' : `${String(history.length)} were ended`;
  return new AttemptError('runner-died', `${String(attemptsBefore)} attempts were started and ${ended}`);
};

/**
 * Reserve all that the request asks for; the credit goes back as soon as that is decided.
 * In: RequestedAttempt. Out: AdmittedAttempt, its grant held.
 * Units: bytes, ms.
 * Errors: `expired` (accept), `gpu-fault` (given back), `no-room-ever` (given back, growing delay), `no-room` (given back after `holdMs`),
 * `runner-died` or the last end (too many attempts), the signal's reason when it aborts while waiting.
 * Source: spec "Which message to take, when", "Resources".
 */
export const admit = (use: AdmitContext): OperatorFunction<RequestedAttempt, AdmittedAttempt> =>
  mergeMap(async attempt => {
    const { request, record, credit, scope, signal, delivery, identity } = attempt;
    const queuedAtMs = use.now();
    endSpan(record, 'opened', queuedAtMs);
    const lateMs = queuedAtMs - (deadlineMs(request) ?? Infinity);
    if (lateMs > 0) {
      use.emit('expired', { lateMs }, record);
      throw new AttemptError('expired', 'experimentLifetime was over before it could start', {
        lateMs: Math.round(lateMs),
      });
    }
    if (identity.number > use.maxAttempts) {
      throw exhausted(delivery);
    }
    const refuse = (lacking: readonly Shortage[], ever: boolean): never => {
      use.emit('no-room', { lacking: shortagesByResource(lacking), ever }, record);
      throw new AttemptError(
        ever ? 'no-room-ever' : 'no-room',
        `${ever ? 'more than this machine has' : 'more than is free here now'}: ${listShortages(lacking)}`,
      );
    };
    const queue = queueId(delivery.queue);
    // Before the look: while that fails, who asks for cards is not to be asked again.
    use.demand.remember(queue, request.resources);
    await lookAtCards(attempt, use);
    const never = use.ledger.shortageEver(request.resources);
    if (never.length > 0) refuse(never, true);

    const grant = await within(use.holdMs, until => use.demand.grant(queue, request.resources, until), signal).catch(
      (error: unknown) => {
        if (signal.aborted) throw signal.reason;
        if (error instanceof TimeOver) return refuse(use.demand.shortageNow(queue, request.resources), false);
        throw error;
      },
    );
    scope.add('grant', () => {
      grant.releaseCompute();
      grant.releaseDisk();
    });
    record.gpus = grant.gpuUuids;
    credit.release();
    const admittedAtMs = use.now();
    endSpan(record, 'admitted', admittedAtMs);
    const waitedMs = admittedAtMs - queuedAtMs;
    use.emit('admitted', { granted: { ...grant.amounts, gpus: grant.gpuUuids }, waitedMs }, record);
    return { ...attempt, grant };
  });
