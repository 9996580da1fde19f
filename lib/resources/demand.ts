import type { Credit } from '../model/attempt.ts';
import type { Grant, ResourceAmounts, ResourceRequest, Shortage } from '../model/resources.ts';
import { addAmounts, amountsOf, noAmounts, type Ledger } from './ledger.ts';
import { Turns, type Turn } from './turns.ts';

/** What a queue is expected to ask for before it ever asked: one core. */
const unknown: ResourceRequest = { cores: 1, memoryBytes: 0, diskBytes: 0, gpus: 0, gpuMemoryBytes: 0 };

interface Waiting extends Turn {
  readonly give: (credit: Credit) => void;
  /** From when on room is kept for it: set when somebody behind it in line was served first, since it did not fit. */
  keepFromMs: number | undefined;
}

const covers = (a: ResourceAmounts, b: ResourceAmounts): boolean =>
  a.cores >= b.cores && a.memoryBytes >= b.memoryBytes && a.diskBytes >= b.diskBytes;

interface Out {
  readonly queue: string;
  readonly amounts: ResourceAmounts;
  /** Whether cards are expected to be asked for. */
  readonly cards: boolean;
}

export interface DemandSettings {
  /** Credits out at once, whatever the room. */
  readonly most?: number;
  /** Clock in ms; only differences count. */
  readonly now?: () => number;
  /** Hears each time that nobody gets a credit any more. @param until resolves when somebody who comes new would get one */
  readonly onFull?: (until: Promise<void>) => void;
}

/** What a queue waits for, with the numbers. */
export interface DemandState {
  /** What it asked for last. Undefined: nothing yet. */
  readonly asked: ResourceRequest | undefined;
  /** For how long it has been in line for room, ms. Undefined: it is not. */
  readonly waitingMs: number | undefined;
  /** Its place in line, 1 for the next. */
  readonly place: number | undefined;
  readonly inLine: number;
  /** What is lacking for it now, beside what is kept for others and on its way. */
  readonly lacking: readonly Shortage[];
  /** Whether room is kept for it, and from when on it will be, ms from now; undefined: nobody overtakes it. */
  readonly roomKept: boolean;
  readonly roomKeptInMs: number | undefined;
  /** The queue that room is kept for. */
  readonly keptFor: string | undefined;
  /** Runs of this queue that hold cores now, and what a run of it took lately, ms. */
  readonly running: number;
  readonly expectedRunMs: number;
}

/**
 * Who may take a message now. A credit is the right to hold one delivery that is not admitted yet. It exists only while the
 * ledger could fit what its queue asked for last, beside what the credits already out are expected to need: so nothing is
 * taken that would have to wait, and a queue whose next request is too large is not asked until something is released.
 *
 * Credits belong to the runner, not to a queue. Queues that wait are served in turn (turns.ts). One whose request does not fit
 * is passed over, for about as long as a run takes; from then on what it asked for is kept: others get only what is left
 * beside that. So it starts when what runs then has ended, at the latest. Room is kept for one queue at a time, the one that was
 * overtaken first.
 */
export class Demand {
  readonly #ledger: Ledger;
  readonly #most: number;
  readonly #now: () => number;
  readonly #turns = new Turns();
  readonly #asked = new Map<string, ResourceRequest>();
  readonly #running = new Map<string, number>();
  readonly #out = new Set<Out>();
  #waiting: Waiting[] = [];
  /** Why no credits are given. */
  readonly #pauses = new Set<string>();
  readonly #onFull: DemandSettings['onFull'];
  /** While nobody gets a credit. */
  #full: PromiseWithResolvers<void> | undefined;

  constructor(ledger: Ledger, { most = 8, now = () => performance.now(), onFull }: DemandSettings = {}) {
    this.#ledger = ledger;
    this.#most = most;
    this.#now = now;
    this.#onFull = onFull;
    ledger.freed$.subscribe(() => {
      this.#serve();
    });
  }

  /** Credits that are out. */
  get out(): number {
    return this.#out.size;
  }

  /** Remember what a queue asked for; its next credit waits for as much. */
  remember(queue: string, request: ResourceRequest): void {
    this.#asked.set(queue, request);
  }

  /** A queue is no longer served. */
  forget(queue: string): void {
    this.#asked.delete(queue);
    this.#turns.forget(queue);
  }

  /** What the next message of a queue is taken for. What can never fit is asked for again only after its queue's own delay: then
   *  any free core will do to look. */
  expected(queue: string): ResourceRequest {
    const asked = this.#asked.get(queue) ?? unknown;
    return this.#ledger.shortageEver(asked).length > 0 ? unknown : asked;
  }

  /** A credit, if there is one right now. Whoever is in line does not fit, or it would have been served. */
  tryAcquire(queue: string): Credit | undefined {
    this.#turns.join(queue);
    return this.#tryTake(queue, this.#kept());
  }

  /** A credit as soon as it is this queue's turn and there is room. Rejects with the signal's reason, holding nothing. */
  acquire(queue: string, signal: AbortSignal): Promise<Credit> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const leave = () => {
        this.#waiting = this.#waiting.filter(one => one !== waiting);
        reject(signal.reason as Error);
        // Room may have been kept for it.
        this.#lookAgain();
      };
      const waiting: Waiting = {
        queue,
        sinceMs: this.#now(),
        keepFromMs: undefined,
        give: credit => {
          signal.removeEventListener('abort', leave);
          resolve(credit);
        },
      };
      this.#turns.join(queue);
      this.#waiting.push(waiting);
      signal.addEventListener('abort', leave, { once: true });
      this.#serve();
    });
  }

  /**
   * All that a message in hand asks for, as soon as it is there beside what is kept for others; its queue is charged for the
   * time until the cores come back. Rejects with the signal's reason.
   */
  async grant(queue: string, request: ResourceRequest, signal: AbortSignal): Promise<Grant> {
    const grant = await this.#ledger.grant(request, signal, () => this.#reservedBeside(queue, request));
    const end = this.#turns.start(queue, this.#now());
    this.#running.set(queue, (this.#running.get(queue) ?? 0) + 1);
    let running = true;
    return {
      ...grant,
      releaseCompute: () => {
        if (running) {
          running = false;
          end(this.#now());
          const left = (this.#running.get(queue) ?? 1) - 1;
          if (left > 0) this.#running.set(queue, left);
          else this.#running.delete(queue);
        }
        grant.releaseCompute();
      },
    };
  }

  /** Give no more credits until `resume` for the same reason; those that are out stay. */
  pause(why: string): void {
    this.#pauses.add(why);
    this.#tellRoom();
  }

  resume(why: string): void {
    this.#pauses.delete(why);
    this.#serve();
  }

  /** What is lacking now for a message in hand of this queue. */
  shortageNow(queue: string, request: ResourceRequest): Shortage[] {
    return this.#ledger.shortageNow(request, this.#reservedBeside(queue, request));
  }

  /** What a queue waits for. */
  stateOf(queue: string): DemandState {
    const nowMs = this.#now();
    const line = this.#turns.order(this.#waiting);
    const index = line.findIndex(one => one.queue === queue);
    const waiting = line[index];
    const kept = this.#kept();
    return {
      asked: this.#asked.get(queue),
      waitingMs: waiting && nowMs - waiting.sinceMs,
      place: waiting && index + 1,
      inLine: line.length,
      lacking: this.shortageNow(queue, this.expected(queue)),
      roomKept: waiting !== undefined && kept === waiting,
      roomKeptInMs:
        waiting?.keepFromMs === undefined || !this.#canBeKeptFor(waiting)
          ? undefined
          : Math.max(0, waiting.keepFromMs - nowMs),
      keptFor: kept?.queue,
      running: this.#running.get(queue) ?? 0,
      expectedRunMs: this.#turns.expectedMs(queue),
    };
  }

  /** Whether the ends of runs bring all that it waits for. Where cards fail they don't, and room that is kept would serve nobody. */
  #canBeKeptFor({ queue }: Waiting): boolean {
    return this.#ledger.cards.shortageWhenIdle(this.expected(queue)).length === 0;
  }

  /** The one that room is kept for: overtaken first, and for too long. */
  #kept(): Waiting | undefined {
    const nowMs = this.#now();
    let first: Waiting | undefined;
    for (const one of this.#waiting) {
      if (one.keepFromMs === undefined || one.keepFromMs > nowMs || !this.#canBeKeptFor(one)) continue;
      if (first?.keepFromMs === undefined || one.keepFromMs < first.keepFromMs) first = one;
    }
    return first;
  }

  /** Room that is spoken for: kept for a queue that waits, or by credits that are out. */
  #reserved(kept: Waiting | undefined, counts: (out: Out) => boolean = () => true): ResourceAmounts {
    let sum = kept === undefined ? noAmounts : amountsOf(this.expected(kept.queue));
    for (const one of this.#out) if (counts(one)) sum = addAmounts(sum, one.amounts);
    return sum;
  }

  /** The same for a message in hand. A queue has one message undecided at most, so its credit is the one that it came with; what
   *  that covers was this queue's before any room was kept for another. */
  #reservedBeside(queue: string, request: ResourceRequest): ResourceAmounts {
    const own = [...this.#out].find(out => out.queue === queue);
    const kept = this.#kept();
    const spared = kept?.queue === queue || (own !== undefined && covers(own.amounts, amountsOf(request)));
    return this.#reserved(spared ? undefined : kept, out => out !== own);
  }

  #tryTake(queue: string, kept: Waiting | undefined): Credit | undefined {
    if (this.#pauses.size > 0 || this.#out.size >= this.#most) return undefined;
    const wanted = this.expected(queue);
    const reserved = this.#reserved(kept?.queue === queue ? undefined : kept);
    if (this.#ledger.shortageNow(wanted, reserved).length > 0) return undefined;
    const cards = wanted.gpus > 0;
    if (cards && this.#areCardsSpokenFor(queue, kept)) return undefined;
    const one: Out = { queue, amounts: amountsOf(wanted), cards };
    this.#out.add(one);
    this.#tellRoom();
    return {
      release: () => {
        if (this.#out.delete(one)) this.#lookAgain();
      },
    };
  }

  /** Which cards a request gets is not known before it has them: one at a time asks for some, and who waits for long is asked first. */
  #areCardsSpokenFor(queue: string, kept: Waiting | undefined): boolean {
    const isKeptForOther = kept !== undefined && kept.queue !== queue && this.expected(kept.queue).gpus > 0;
    return isKeptForOther || [...this.#out].some(out => out.cards);
  }

  /** Room that was spoken for is free: messages in hand first, then queues in line. */
  #lookAgain(): void {
    this.#ledger.serveLine();
    this.#serve();
  }

  /** Tell when nobody who comes new would get a credit, and when that is over. */
  #tellRoom(): void {
    const open = this.#pauses.size === 0 && this.#out.size < this.#most;
    const free = open && this.#ledger.shortageNow(unknown, this.#reserved(this.#kept())).length === 0;
    if (free) {
      this.#full?.resolve();
      this.#full = undefined;
    } else if (!this.#full && this.#onFull) {
      this.#full = Promise.withResolvers<void>();
      this.#onFull(this.#full.promise);
    }
  }

  #serve(): void {
    this.#serveLine();
    this.#tellRoom();
  }

  #serveLine(): void {
    if (this.#pauses.size > 0 || this.#waiting.length === 0 || this.#ledger.free.cores < 1) return;
    const passedOver: Waiting[] = [];
    let kept = this.#kept();
    for (const one of this.#turns.order(this.#waiting)) {
      if (this.#out.size >= this.#most) return;
      const credit = this.#tryTake(one.queue, kept);
      if (!credit) {
        passedOver.push(one);
        continue;
      }
      this.#waiting.splice(this.#waiting.indexOf(one), 1);
      for (const overtaken of passedOver) overtaken.keepFromMs ??= this.#now() + this.#turns.patienceMs;
      kept = this.#kept();
      one.give(credit);
    }
  }
}
