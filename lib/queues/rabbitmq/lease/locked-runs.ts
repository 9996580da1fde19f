import { sleep } from '../../../flow/wait.ts';
import type { Rival } from '../../../model/delivery.ts';
import type { LeaseEntry } from './entry.ts';
import type { RunLocks } from './run-locks.ts';

/** How long a run lock may wait that nobody asks for yet, ms: a run that is over by then costs the broker none. */
const lateMs = 500;
/** It is there by then, ms, unless its runner hangs. */
const surelyThereMs = 4 * lateMs;

/**
 * The run locks that this runner has, or is about to have, through all of its connections. They are kept here by name as well, since
 * the broker would grant a second declaration on one connection.
 */
export class LockedRuns {
  /** Whose each is; with what takes it late, where that is still to be done. */
  readonly #locks = new Map<string, { readonly entry: LeaseEntry; late?: NodeJS.Timeout }>();
  readonly #current: () => RunLocks | undefined;

  /** @param current those of the connection that there is */
  constructor(current: () => RunLocks | undefined) {
    this.#current = current;
  }

  /** False where another attempt of this runner has it. */
  reserve(entry: LeaseEntry): boolean {
    const { lock } = entry.parts;
    if (this.#locks.has(lock)) return false;
    this.#locks.set(lock, { entry });
    return true;
  }

  has(entry: LeaseEntry): boolean {
    return this.#of(entry) !== undefined;
  }

  /**
   * Whether nobody else runs what was reserved: its lock is ours on this connection, or can wait since nobody would begin it without
   * asking for it. Errors: those of the broker, the signal's reason.
   */
  async take(
    entry: LeaseEntry,
    on: RunLocks,
    rival: Promise<Rival> | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    const known = await rival;
    signal.throwIfAborted();
    if (known === 'none') {
      this.#takeSoon(entry);
      return true;
    }
    if (known === 'begun') await sleep(surelyThereMs, signal);
    return on.take(entry.parts.lock);
  }

  /** A new connection takes it now. */
  dropTimer(entry: LeaseEntry): void {
    clearTimeout(this.#of(entry)?.late);
  }

  /** Let go of it, whether it was taken or not. */
  async release(entry: LeaseEntry): Promise<void> {
    if (!this.has(entry)) return;
    this.dropTimer(entry);
    this.#locks.delete(entry.parts.lock);
    await this.#current()
      ?.release(entry.parts.lock)
      .catch(() => undefined);
  }

  #of(entry: LeaseEntry) {
    const own = this.#locks.get(entry.parts.lock);
    return own?.entry === entry ? own : undefined;
  }

  #takeSoon(entry: LeaseEntry): void {
    const own = this.#of(entry);
    if (own) own.late = setTimeout(() => void this.#takeLate(entry), lateMs).unref();
  }

  async #takeLate(entry: LeaseEntry): Promise<void> {
    const locks = this.#current();
    try {
      if ((await locks?.take(entry.parts.lock)) === false) entry.lose('another runner runs it');
    } catch {
      // Where the connection has ended, the next one takes it.
      if (locks === this.#current()) this.#takeSoon(entry);
    }
  }
}
