import type { HistoryEntry, Settlement } from './outcome.ts';

export type QueueKind = 'rabbitmq' | 'sqs' | 'directory' | 'pubsub';

/** A work queue, by kind and short name (the name that QUEUE_MATCH sees). */
export interface QueueName {
  readonly kind: QueueKind;
  readonly name: string;
}

/**
 * What is known beside the queue of other attempts of an experiment that begins. `none`: whoever begins it later finds that this one
 * has. `begun`: another one has, perhaps a moment ago, and is not known to be over. `unknown`: only the queue can tell.
 */
export type Rival = 'none' | 'begun' | 'unknown';

/** A message on loan from a queue. It gets exactly one settlement; a delivery that is never settled comes back by itself. */
export interface Delivery {
  readonly queue: QueueName;
  /** The broker's name for it, for people and logs. */
  readonly id: string;
  readonly body: Buffer;
  /** How many bytes it has, where those are more than may be: `body` is empty then. */
  readonly unreadBytes?: number | undefined;
  /** How many attempts were started before this one, as far as the message tells. */
  readonly attemptsBefore: number;
  readonly history: readonly HistoryEntry[];
  /**
   * Since when it waits for somebody who can run it, ms since the epoch: when it was sent, as its service says, or when a runner first
   * gave it back because it can't. Absent: neither is known.
   */
  readonly unplacedSinceMs?: number | undefined;
  /** When it became the dead letter that an operator put back as new, ms since the epoch: attempts from before are over. */
  readonly buriedAtMs?: number | undefined;
  readonly receivedAtMs: number;
  /** Aborts when the message is no longer ours; the reason is an AttemptError (lease-lost or queue-deleted). */
  readonly lost: AbortSignal;
  /** Whether `begin` refuses what another message of the same queue runs; absent: it can't tell. */
  readonly keepsApart?: boolean;
  /**
   * Say, before anything is started, that attempt `attempt` of the experiment `key` begins: if the runner dies now, the message
   * comes home counted. Errors: AttemptError, `duplicate` where the broker knows that another attempt of it runs,
   * `runner-died` where it says only now that this one was begun before.
   * @param rival what a queue that keeps attempts of one experiment apart goes by; absent: `unknown`. Never rejects.
   */
  begin(attempt: number, key: string, rival?: Promise<Rival>): Promise<void>;
  /** Settle it. A second call is a fault of the caller and throws. Rejects when the queue could not be told. */
  settle(settlement: Settlement): Promise<void>;
}
