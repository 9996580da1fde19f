import { Subject, type Observable } from 'rxjs';
import type { Grant, ResourceAmounts, ResourceRequest, Shortage } from '../model/resources.ts';
import { noCards, type Cards, type TakenCards } from './gpu/cards.ts';

/** What a request reserves: at least one core, or requests that say nothing would all run at once. */
export const amountsOf = (request: ResourceRequest): ResourceAmounts => ({
  cores: Math.max(1, request.cores),
  memoryBytes: request.memoryBytes,
  diskBytes: request.diskBytes,
});

export const noAmounts: ResourceAmounts = { cores: 0, memoryBytes: 0, diskBytes: 0 };

export const addAmounts = (a: ResourceAmounts, b: ResourceAmounts): ResourceAmounts => ({
  cores: a.cores + b.cores,
  memoryBytes: a.memoryBytes + b.memoryBytes,
  diskBytes: a.diskBytes + b.diskBytes,
});

const parts = ['cores', 'memoryBytes', 'diskBytes'] as const;
const resourceNames = { cores: 'cores', memoryBytes: 'memory', diskBytes: 'disk' } as const;

/** The only state that attempts share: what this machine has, and who holds how much of it. */
export class Ledger {
  readonly cards: Cards;
  #total: ResourceAmounts;
  readonly #free: { cores: number; memoryBytes: number; diskBytes: number };
  readonly #line: { request: ResourceRequest; grant: (grant: Grant) => void; reserved: () => ResourceAmounts }[] = [];
  readonly #freed = new Subject<void>();
  #grants = 0;

  /** @param total cores as a count (fractions allowed), sizes in bytes */
  constructor(total: ResourceAmounts, cards: Cards = noCards) {
    this.#total = { ...total };
    this.#free = { ...total };
    this.cards = cards;
    cards.changed$.subscribe(() => {
      this.serveLine();
      this.#freed.next();
    });
  }

  get total(): ResourceAmounts {
    return this.#total;
  }

  get free(): ResourceAmounts {
    return { ...this.#free };
  }

  /** Grants that hold anything. */
  get grants(): number {
    return this.#grants;
  }

  /** Emits each time something came back. */
  get freed$(): Observable<void> {
    return this.#freed.asObservable();
  }

  /** What the whole machine lacks for this request; empty when it could run here some time. */
  shortageEver(request: ResourceRequest): Shortage[] {
    return [...this.#shortage(request, this.total), ...this.cards.shortageEver(request)];
  }

  /** What is lacking right now, beside what `reserved` will need. */
  shortageNow(request: ResourceRequest, reserved?: ResourceAmounts): Shortage[] {
    const free = this.#free;
    const available =
      reserved === undefined
        ? free
        : {
            cores: free.cores - reserved.cores,
            memoryBytes: free.memoryBytes - reserved.memoryBytes,
            diskBytes: free.diskBytes - reserved.diskBytes,
          };
    return [...this.#shortage(request, available), ...this.cards.shortageNow(request)];
  }

  /** All that is asked for, or undefined and nothing taken. `reserved` is left for others. */
  tryGrant(request: ResourceRequest, reserved?: ResourceAmounts): Grant | undefined {
    if (this.shortageNow(request, reserved).length > 0) return undefined;
    return this.#take(amountsOf(request), this.cards.take(request));
  }

  /**
   * All that is asked for, as soon as it is there. Those who wait are looked at in their order each time something comes back.
   * Rejects with the signal's reason; whoever is aborted leaves the line and holds nothing.
   * @param reserved what has to be left for others, asked at each look
   */
  grant(
    request: ResourceRequest,
    signal: AbortSignal,
    reserved: () => ResourceAmounts = () => noAmounts,
  ): Promise<Grant> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const now = this.tryGrant(request, reserved());
      if (now) {
        resolve(now);
        return;
      }
      const place = {
        request,
        reserved,
        grant: (grant: Grant) => {
          signal.removeEventListener('abort', leave);
          resolve(grant);
        },
      };
      const leave = () => {
        const index = this.#line.indexOf(place);
        if (index >= 0) this.#line.splice(index, 1);
        reject(signal.reason as Error);
      };
      this.#line.push(place);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** Look at those who wait: also when nothing came back but less is reserved for others. */
  serveLine(): void {
    for (const place of [...this.#line]) {
      const grant = this.tryGrant(place.request, place.reserved());
      if (!grant) continue;
      this.#line.splice(this.#line.indexOf(place), 1);
      place.grant(grant);
    }
  }

  #shortage(request: ResourceRequest, available: ResourceAmounts): Shortage[] {
    const asked = amountsOf(request);
    const lacking: Shortage[] = [];
    for (const part of parts) {
      if (asked[part] > available[part]) {
        lacking.push({ resource: resourceNames[part], asked: asked[part], available: Math.max(0, available[part]) });
      }
    }
    return lacking;
  }

  #take(amounts: ResourceAmounts, cards: TakenCards | undefined): Grant {
    this.#grants += 1;
    this.#move(amounts, -1);
    let compute = true;
    let disk = true;
    const release = (given: ResourceAmounts) => {
      this.#move(given, 1);
      if (!compute && !disk) this.#grants -= 1;
      this.serveLine();
      this.#freed.next();
    };
    return {
      amounts,
      gpuUuids: cards?.uuids ?? [],
      ...(cards && { gpuPeakBytes: () => cards.peakBytes(), cardFault: () => cards.fault() }),
      releaseCompute: () => {
        if (!compute) return;
        compute = false;
        cards?.release();
        release({ ...amounts, diskBytes: 0 });
      },
      releaseDisk: () => {
        if (!disk) return;
        disk = false;
        release({ cores: 0, memoryBytes: 0, diskBytes: amounts.diskBytes });
      },
      keepDisk: bytes => {
        const kept = { ...noAmounts, diskBytes: bytes };
        this.#total = { ...this.#total, diskBytes: this.#total.diskBytes - bytes };
        this.#move(kept, -1);
      },
    };
  }

  #move(amounts: ResourceAmounts, sign: 1 | -1): void {
    for (const part of parts) this.#free[part] += sign * amounts[part];
  }
}
