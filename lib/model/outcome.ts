/** Why an attempt ended: exactly one of these, from event log to dead letter. Source: spec "Settling". */
export type Cause =
  // it ran
  | 'completed'
  | 'exited'
  | 'killed'
  | 'out-of-memory'
  | 'out-of-disk'
  | 'max-duration'
  | 'cancelled'
  // it can never run
  | 'expired'
  | 'artifact-missing'
  | 'artifact-invalid'
  | 'access-denied'
  | 'environment'
  | 'image-missing'
  | 'image-denied'
  | 'no-such-program'
  // it can't run here
  | 'no-key'
  | 'no-interpreter'
  | 'no-room-ever'
  | 'no-room'
  | 'duplicate'
  // it was run to its end before
  | 'already-done'
  // the machine or a service failed
  | 'store-fault'
  | 'broker-fault'
  | 'engine-fault'
  | 'gpu-fault'
  | 'stopping'
  | 'lease-lost'
  | 'queue-deleted'
  | 'runner-died'
  | 'internal'
  // the message is refused
  | 'malformed'
  | 'not-a-request'
  | 'too-large'
  | 'clear-text-refused'
  | 'unopenable'
  | 'bad-signature';

/** One earlier end of this experiment, as it travels with the message. `at` is RFC 3339. */
export interface HistoryEntry {
  readonly cause: Cause;
  readonly host: string;
  readonly at: string;
  readonly message?: string;
}

/** What a queue is told about a message: said exactly once for each delivery. */
export type Settlement =
  | { readonly type: 'accept' }
  /** Given back, not counted as an attempt; not to be delivered again to this runner before `delayMs`. */
  | { readonly type: 'release'; readonly delayMs: number }
  /** Counted: a copy goes to the queue with the history, then this one is acknowledged. */
  | { readonly type: 'retry'; readonly attempt: number; readonly history: readonly HistoryEntry[] }
  /** Dead letter. */
  | {
      readonly type: 'reject';
      readonly reason: Cause;
      readonly message: string;
      readonly history: readonly HistoryEntry[];
    }
  /** The message is not ours any more (lease lost, queue deleted): nothing to say. */
  | { readonly type: 'none' };

/** How the process of an experiment ended. Exactly one of code and signal is set. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why the runner stopped it, where it did. The first reason wins. */
  readonly stoppedBy?: Cause;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** How an attempt ended. */
export interface End {
  readonly cause: Cause;
  /** One sentence for people: what was tried on what, where. Free of secrets. */
  readonly message: string;
  /** Absent where nothing was started. */
  readonly exit?: Exit;
}
