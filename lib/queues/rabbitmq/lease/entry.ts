import type { MessageProperties } from 'amqplib';
import { AttemptError } from '../../../errors.ts';
import { orAborted } from '../../../flow/wait.ts';
import type { Headers } from '../message.ts';
import type { LeaseSession } from './session.ts';

/** What a lease is made of. */
export interface LeaseParts {
  readonly id: string;
  readonly queue: string;
  readonly lock: string;
  readonly body: Buffer;
  readonly properties: MessageProperties;
  /** Of its copies, without the number of the copy. */
  readonly headers: Headers;
}

/** A copy of the message that lies unacknowledged with us. */
export interface HeldCopy {
  readonly session: LeaseSession;
  readonly tag: number;
}

/**
 * One leased message, through all of its copies and connections.
 *
 *   taking ── committed ──> held ── settled ──> over
 *     │                      └─ its copy went home, or another runner has the run lock ──> lost
 *     └─ the connection ended: nothing was started, a copy that turns up goes home uncounted ──> withdrawn
 */
export class LeaseEntry {
  state: 'taking' | 'held' | 'withdrawn' | 'lost' | 'over' = 'taking';
  /** Number of the newest copy. */
  turn = 0;
  /** The newest copy; absent while it is on its way. */
  copy: HeldCopy | undefined;
  /** Where a copy was seen last. */
  seenIn: LeaseSession | undefined;
  /** A copy that no queue holds: it was returned, or its queue was deleted. It is published anew. */
  missing = false;
  /** A settlement got no answer: where no copy turns up again, it was done. */
  uncertain = false;
  /** When a copy was last known to be safe, by performance.now(). */
  renewedAtMs = performance.now();
  readonly parts: LeaseParts;
  readonly #lost = new AbortController();
  #changed = Promise.withResolvers<void>();

  constructor(parts: LeaseParts) {
    this.parts = parts;
  }

  /** Aborts when the message is no longer ours. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  lose(why: string, cause?: unknown): void {
    if (this.state === 'over' || this.state === 'lost') return;
    this.state = 'lost';
    this.#lost.abort(new AttemptError('lease-lost', why, { queue: this.parts.queue }, { cause }));
  }

  /** It is settled. */
  close(): void {
    this.state = 'over';
    this.tell();
  }

  /** Something about its copy changed. */
  tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** The copy, waited for; undefined when it is known that it was settled. Errors: why it was lost, the signal's reason. */
  async awaitCopy(signal: AbortSignal): Promise<HeldCopy | undefined> {
    const until = AbortSignal.any([signal, this.lost]);
    for (;;) {
      until.throwIfAborted();
      if (this.state === 'over') return undefined;
      const { copy } = this;
      if (copy && !copy.session.ended.aborted) return copy;
      await orAborted(this.#changed.promise, until);
    }
  }
}
