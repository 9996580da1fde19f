import type { Credit } from '../model/attempt.ts';
import type { ResourceAmounts, ResourceRequest } from '../model/resources.ts';
import { amountsOf, type Ledger } from './ledger.ts';

/** What a queue is expected to ask for before it ever asked: one core. */
const unknown: ResourceRequest = { cores: 1, memoryBytes: 0, diskBytes: 0, gpus: 0, gpuMemoryBytes: 0 };

interface Waiting {
  readonly queue: string;
  readonly grant: (credit: Credit) => void;
}

/**
 * Who may take a message now. A credit is the right to hold one delivery that is not admitted yet. It exists only while the
 * ledger could fit what its queue asked for last, beside what the credits already out are expected to need: so nothing is
 * taken that would have to wait, and a queue whose next request is too large is not asked until something is released.
 * Credits belong to the runner, not to a queue; queues that wait are served oldest first.
 */
export class Demand {
  readonly #ledger: Ledger;
  readonly #most: number;
  readonly #expected = new Map<string, ResourceRequest>();
  readonly #out = new Set<ResourceAmounts>();
  #waiting: Waiting[] = [];

  /** @param most credits out at once, whatever the room */
  constructor(ledger: Ledger, most = 8) {
    this.#ledger = ledger;
    this.#most = most;
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
    this.#expected.set(queue, request);
  }

  forget(queue: string): void {
    this.#expected.delete(queue);
  }

  expected(queue: string): ResourceRequest {
    return this.#expected.get(queue) ?? unknown;
  }

  /** A credit, if there is one right now and nobody waits for it. */
  tryAcquire(queue: string): Credit | undefined {
    return this.#waiting.length > 0 ? undefined : this.#tryTake(queue);
  }

  /** A credit as soon as there is one. Rejects with the signal's reason, holding nothing. */
  acquire(queue: string, signal: AbortSignal): Promise<Credit> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const leave = () => {
        this.#waiting = this.#waiting.filter(one => one !== waiting);
        reject(signal.reason as Error);
      };
      const waiting: Waiting = {
        queue,
        grant: credit => {
          signal.removeEventListener('abort', leave);
          resolve(credit);
        },
      };
      this.#waiting.push(waiting);
      signal.addEventListener('abort', leave, { once: true });
      this.#serve();
    });
  }

  #tryTake(queue: string): Credit | undefined {
    if (this.#out.size >= this.#most) return undefined;
    const request = this.expected(queue);
    // What can never fit is asked for again only after its queue's own delay: then any free core will do to look.
    const wanted = this.#ledger.shortageEver(request).length > 0 ? unknown : request;
    if (this.#ledger.shortageNow(wanted, this.#reserved()).length > 0) return undefined;
    const amounts = amountsOf(wanted);
    this.#out.add(amounts);
    return {
      release: () => {
        if (this.#out.delete(amounts)) this.#serve();
      },
    };
  }

  #reserved(): ResourceAmounts {
    let cores = 0;
    let memoryBytes = 0;
    let diskBytes = 0;
    for (const amounts of this.#out) {
      cores += amounts.cores;
      memoryBytes += amounts.memoryBytes;
      diskBytes += amounts.diskBytes;
    }
    return { cores, memoryBytes, diskBytes };
  }

  #serve(): void {
    for (const waiting of [...this.#waiting]) {
      if (this.#out.size >= this.#most) return;
      const credit = this.#tryTake(waiting.queue);
      if (!credit) continue;
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.grant(credit);
    }
  }
}
