/** How much the newest run counts in the average. */
const newest = 0.25;
/** No run is taken for shorter, ms: turns would mean nothing among queues whose work ends at once. */
const leastMs = 1000;

/** Bounds of how long a request is overtaken before room is kept for it, ms. */
const leastPatienceMs = 30_000;
const mostPatienceMs = 600_000;

interface Account {
  /** Machine time that this queue has had, on a clock that all queues share, ms. */
  passMs: number;
  /** Moving average of its runs; undefined before the first one ended. */
  averageMs: number | undefined;
}

/** A queue in line. */
export interface Turn {
  readonly queue: string;
  readonly sinceMs: number;
}

/**
 * Whose turn it is, by machine time. Each start is charged to its queue: at first what the queue's runs took lately (an
 * exponential moving average), at the end what it really took. The queue that was charged least goes first, of equals the one that
 * waits longest. So queues whose work is long and short get the same time, not the same number of starts. A queue that had no
 * work meanwhile joins where the others are: it has not saved up turns.
 *
 * Pure: every time is given in, ms on any clock.
 */
export class Turns {
  readonly #accounts = new Map<string, Account>();
  #averageMs: number | undefined;
  /** The pass of the last start: whoever comes new joins here. */
  #clockMs = 0;

  /** What the next run of a queue is expected to take: as its last ones, else as those of all queues. */
  expectedMs(queue: string): number {
    return Math.max(leastMs, this.#accounts.get(queue)?.averageMs ?? this.#averageMs ?? leastMs);
  }

  /** How long a request whose turn has come may be overtaken by smaller ones before room is kept for it: about one run. */
  get patienceMs(): number {
    return Math.min(mostPatienceMs, Math.max(leastPatienceMs, this.#averageMs ?? 0));
  }

  /** A queue comes to wait. */
  join(queue: string): void {
    const account = this.#of(queue);
    account.passMs = Math.max(account.passMs, this.#clockMs);
  }

  /** Work of a queue starts. Returns how to say that it ended; a second call does nothing. */
  start(queue: string, startedAtMs: number): (endedAtMs: number) => void {
    const account = this.#of(queue);
    const chargedMs = this.expectedMs(queue);
    this.#clockMs = Math.max(this.#clockMs, account.passMs);
    account.passMs += chargedMs;
    let running = true;
    return endedAtMs => {
      if (!running) return;
      running = false;
      const tookMs = Math.max(leastMs, endedAtMs - startedAtMs);
      account.passMs += tookMs - chargedMs;
      account.averageMs = moved(account.averageMs, tookMs);
      this.#averageMs = moved(this.#averageMs, tookMs);
    };
  }

  /** Those in line, the one whose turn it is first. */
  order<T extends Turn>(line: readonly T[]): T[] {
    const passOf = (turn: Turn) => this.#accounts.get(turn.queue)?.passMs ?? this.#clockMs;
    return line.toSorted((a, b) => passOf(a) - passOf(b) || a.sinceMs - b.sinceMs);
  }

  forget(queue: string): void {
    this.#accounts.delete(queue);
  }

  #of(queue: string): Account {
    let account = this.#accounts.get(queue);
    if (!account) {
      account = { passMs: this.#clockMs, averageMs: undefined };
      this.#accounts.set(queue, account);
    }
    return account;
  }
}

const moved = (averageMs: number | undefined, tookMs: number): number =>
  averageMs === undefined ? tookMs : averageMs + newest * (tookMs - averageMs);
