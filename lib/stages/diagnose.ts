import { tap, type OperatorFunction } from 'rxjs';
import type { FinishedAttempt } from '../model/attempt.ts';
import type { Quarantine } from '../resources/quarantine.ts';

export interface DiagnoseContext {
  /** Absent where nothing is taken from a queue. */
  readonly quarantine?: Pick<Quarantine, 'ended'>;
}

/**
 * Tell the quarantine how an attempt ended: a machine that fails again and again takes itself out, before it is given the next message.
 * In: FinishedAttempt. Out: the same.
 * Errors: none.
 */
export const diagnose = (use: DiagnoseContext): OperatorFunction<FinishedAttempt, FinishedAttempt> =>
  tap(({ end, record, identity }) => {
    use.quarantine?.ended({
      cause: end.cause,
      ran: end.exit !== undefined,
      project: record.project ?? record.experiment ?? identity.accession,
      gpus: record.gpus ?? [],
    });
  });
