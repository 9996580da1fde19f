import { map, type OperatorFunction } from 'rxjs';
import { AttemptError } from '../errors.ts';
import type { VerifiedAttempt } from '../model/attempt.ts';
import type { Delivery } from '../model/delivery.ts';
import type { Envelope } from '../model/envelope.ts';
import type { Ledger } from '../resources/ledger.ts';
import { listShortages, shortagesByResource } from '../resources/shortages.ts';
import type { Emit } from '../telemetry/events.ts';
import { waitingSinceMs } from './settlements.ts';

export interface ScreenContext {
  readonly emit: Emit;
  readonly ledger: Ledger;
  readonly unplacedAfterMs: number;
  readonly now: () => number;
}

/** Whether a request that finds no room has waited for it for too long; so it is taken for where its clear members don't say. */
const isOverdue = (
  { clear: { timeAddedSeconds } }: Envelope,
  { unplacedSinceMs }: Delivery,
  { unplacedAfterMs, now }: ScreenContext,
): boolean => {
  if (timeAddedSeconds === undefined) return true;
  const nowMs = now();
  return nowMs - waitingSinceMs({ timeAddedMs: timeAddedSeconds * 1000, unplacedSinceMs, nowMs }) > unplacedAfterMs;
};

/**
 * Give back, unopened, what says in clear that it needs more than this machine has: no RSA step is spent on it each time it comes
 * round. The clear members are not signed, so they are believed only in this one thing, which takes nothing from anybody: no
 * message is accepted, rejected or remembered as its queue's demand by them. One that has been unplaced for too long is opened,
 * and what becomes of it is decided by what it says inside.
 * In: VerifiedAttempt. Out: the same, at once.
 * Errors: `no-room-ever` (given back, growing delay).
 * Source: spec "Encrypted request": advice for scheduling.
 */
export const screen = (use: ScreenContext): OperatorFunction<VerifiedAttempt, VerifiedAttempt> =>
  map(attempt => {
    const { content, record, delivery } = attempt;
    if (content.type === 'clear') return attempt;
    const lacking = use.ledger.shortageEver(content.envelope.clear.resources);
    if (lacking.length === 0 || isOverdue(content.envelope, delivery, use)) return attempt;
    use.emit('no-room', { lacking: shortagesByResource(lacking), ever: true }, record);
    throw new AttemptError(
      'no-room-ever',
      `says in clear that it needs more than this machine has: ${listShortages(lacking)}`,
    );
  });
