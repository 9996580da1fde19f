import type { ConsumeMessage, GetMessage } from 'amqplib';
import type { QueueName } from '../../model/delivery.ts';
import type { HistoryEntry, Settlement } from '../../model/outcome.ts';
import type { Connection } from './connection.ts';
import type { DeadLetterPolicy } from './dead-letter-policy.ts';
import { headerNames, originalHeaders, type Headers } from './message.ts';

/** How a message is held until it is settled: unacknowledged on its channel, or in a lease. */
export interface Hold {
  /** Aborts when the message is no longer ours; the reason is an AttemptError. */
  readonly lost: AbortSignal;
  /** It is done. */
  accept(): Promise<void>;
  /** Back to its queue: as it came, or with these headers behind the others. */
  release(headers?: Headers): Promise<void>;
  /** Back to its queue, behind the others, with these headers. */
  retry(headers: Headers): Promise<void>;
  /** Drop it once it lies among the dead letters; where it can't, it goes back to its queue, behind the others, with the headers `back`. */
  reject(letter: Headers, back: Headers): Promise<void>;
  /** Whatever is left of it is nobody's. */
  drop(): Promise<void>;
}

/** A message and what is needed to settle it. */
export interface HeldMessage {
  readonly queue: QueueName;
  readonly message: GetMessage | ConsumeMessage;
  readonly connection: Connection;
  /** Where the dead letters of its queue go; undefined where it has no policy of its own. */
  readonly deadLetterPolicy: (signal: AbortSignal) => Promise<DeadLetterPolicy | undefined>;
}

const historyHeader = (history: readonly HistoryEntry[]): Headers => ({
  [headerNames.history]: JSON.stringify(history),
});

/** Say it to whatever holds the message. @param begunAs the number of the attempt that was begun */
export const settleHold = (
  hold: Hold,
  { message, queue }: HeldMessage,
  settlement: Settlement,
  begunAs: number | undefined,
): Promise<void> => {
  const headers = originalHeaders(message.properties.headers);
  const counted = (attempt: number, history: readonly HistoryEntry[]): Headers => ({
    ...headers,
    [headerNames.attempt]: attempt,
    ...historyHeader(history),
  });
  switch (settlement.type) {
    case 'none':
      return hold.drop();
    case 'accept':
      return hold.accept();
    case 'release':
      if (settlement.unplacedSinceMs !== undefined)
        return hold.release({ ...headers, [headerNames.unplacedSince]: settlement.unplacedSinceMs });
      return begunAs === undefined ? hold.release() : hold.release(headers);
    case 'retry':
      return hold.retry(counted(settlement.attempt, settlement.history));
    case 'reject':
      return hold.reject(
        {
          ...headers,
          [headerNames.queue]: queue.name,
          [headerNames.reason]: settlement.reason,
          [headerNames.message]: settlement.message,
          ...historyHeader(settlement.history),
        },
        begunAs === undefined ? headers : counted(begunAs, settlement.history),
      );
    default:
      return settlement satisfies never;
  }
};
