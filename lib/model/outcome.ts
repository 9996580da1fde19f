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
  /**
   * Given back, not counted as an attempt; not to be delivered again to this runner before `delayMs`. It keeps its turn, unless
   * `unplacedSinceMs` is there: a runner that can't run it at all puts it behind the others, and says with it since when (ms since
   * the epoch) it has been known that nobody ran it.
   */
  | { readonly type: 'release'; readonly delayMs: number; readonly unplacedSinceMs?: number }
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

/** The most that a run used, as far as the machine tells. */
export interface Usage {
  /** User and system, of all its processes. */
  readonly cpuSeconds?: number;
  readonly memoryBytes?: number;
  readonly diskBytes?: number;
}

/** A limit that a run went beyond. */
export interface Exceeded {
  readonly resource: 'memory' | 'disk';
  /** What it was given; 0: it had asked for nothing. */
  readonly limitBytes: number;
  readonly usedBytes: number;
  /** `ceiling`: nothing may go beyond it. `shortage`: the machine ran short, and this run was the furthest beyond. */
  readonly because: 'ceiling' | 'shortage';
}

/** How the process of an experiment ended. Exactly one of code and signal is set. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why the runner stopped it, where it did. The first reason wins. */
  readonly stoppedBy?: Cause;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly usage?: Usage;
  /** Of what it had too much, where that ended it. */
  readonly exceeded?: Exceeded;
  /** How often it could not start a process for the limit on their number. */
  readonly refusedStarts?: number;
}

/** How an attempt ended. */
export interface End {
  readonly cause: Cause;
  /** One sentence for people: what was tried on what, where. Free of secrets. */
  readonly message: string;
  /** Absent where nothing was started. */
  readonly exit?: Exit;
  /** The last lines of stderr, of a run that failed. */
  readonly stderr?: readonly string[];
}
