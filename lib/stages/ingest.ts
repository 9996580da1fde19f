import { randomInt } from 'node:crypto';
import { map, type OperatorFunction } from 'rxjs';
import type { AttemptRecord, PulledDelivery, TakenAttempt } from '../model/attempt.ts';
import type { Emit } from '../telemetry/events.ts';
import { createScope } from '../flow/scope.ts';
import { messageOf } from '../errors.ts';

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const base62 = (value: number): string => {
  let text = '';
  for (let rest = Math.floor(value); rest > 0; rest = Math.floor(rest / 62)) text = digits.charAt(rest % 62) + text;
  return text || '0';
};

/**
 * The name of an attempt: `<host>-<6 random>-<start>`. The last part sorts by time, the middle keeps two attempts of one
 * second apart. Source: spec "Accession id".
 */
export const accessionId = (host: string, startedAtMs: number): string => {
  const middle = Array.from({ length: 6 }, () => digits.charAt(randomInt(62))).join('');
  return `${host}-${middle}-${base62(startedAtMs / 1000)}`;
};

export interface IngestContext {
  readonly emit: Emit;
  readonly host: string;
  /** Aborts when the runner wants its attempts to end; the reason is an AttemptError. */
  readonly stop: AbortSignal;
  /** Clock, ms since the epoch. */
  readonly now: () => number;
}

const takeUp = ({ delivery, credit, through }: PulledDelivery, use: IngestContext): TakenAttempt => {
  const startedAtMs = use.now();
  const identity = {
    accession: accessionId(use.host, startedAtMs),
    number: delivery.attemptsBefore + 1,
    host: use.host,
    startedAtMs,
  };
  const record: AttemptRecord = {
    queue: delivery.queue.name,
    attempt: identity.accession,
    began: false,
  };
  const scope = createScope((what, error) => {
    use.emit('release-failed', { what, error: messageOf(error) }, record);
  });
  scope.add('credit', () => {
    credit.release();
  });
  if (through) scope.add('passage', through);
  return {
    delivery,
    credit,
    ...(through && { through }),
    identity,
    scope,
    record,
    signal: AbortSignal.any([use.stop, delivery.lost]),
  };
};

/**
 * Give a delivery its name, its scope and its end signal.
 * In: PulledDelivery, its credit held. Out: TakenAttempt, at once.
 * Errors: none.
 */
export const ingest = (use: IngestContext): OperatorFunction<PulledDelivery, TakenAttempt> =>
  map(pulled => {
    const attempt = takeUp(pulled, use);
    const { delivery } = pulled;
    use.emit('message-taken', { id: delivery.id, bytes: delivery.unreadBytes ?? delivery.body.length }, attempt.record);
    return attempt;
  });
