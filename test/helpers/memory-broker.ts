import { BehaviorSubject, interval, map, merge, type Observable } from 'rxjs';
import { UnplacedLetter } from '../../lib/errors.ts';
import type { Delivery } from '../../lib/model/delivery.ts';
import type { HistoryEntry, Settlement } from '../../lib/model/outcome.ts';
import { QueueGone, type QueueBroker, type WorkQueue } from '../../lib/queues/queue.ts';

/** Between two looks of discovery, ms. */
const lookEveryMs = 25;

interface Message {
  readonly id: string;
  readonly body: Buffer;
  readonly unreadBytes?: number;
  readonly attempts: number;
  readonly history: readonly HistoryEntry[];
  readonly unplacedSinceMs?: number;
}

/** A broker in memory that hands messages over unasked, as an alarm consumer does, and counts what is held. */
export class MemoryBroker implements QueueBroker {
  readonly kind = 'rabbitmq';
  readonly settled: { id: string; queue: string; settlement: Settlement }[] = [];
  readonly dead: { id: string; queue: string; reason: string }[] = [];
  readonly lost = new Map<string, AbortController>();
  held = 0;
  mostHeld = 0;
  receives = 0;
  closed = false;
  /** There is no place for dead letters. */
  unplaced = false;
  readonly #queues = new Map<string, Message[]>();
  readonly #names = new BehaviorSubject<ReadonlySet<string>>(new Set());
  readonly #bells = new Map<string, () => void>();
  #ids = 0;

  publish(queue: string, body: unknown, more: Partial<Omit<Message, 'id' | 'body'>> = {}): string {
    const id = `m${String(++this.#ids)}`;
    this.declare(queue);
    this.#put(queue, {
      id,
      body: Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body)),
      attempts: 0,
      history: [],
      ...more,
    });
    return id;
  }

  declare(queue: string): void {
    if (this.#queues.has(queue)) return;
    this.#queues.set(queue, []);
    this.#names.next(new Set(this.#queues.keys()));
  }

  delete(queue: string): void {
    this.#queues.delete(queue);
    this.#names.next(new Set(this.#queues.keys()));
    this.#bells.get(queue)?.();
  }

  depth(queue: string): number {
    return this.#queues.get(queue)?.length ?? 0;
  }

  discover(): Observable<ReadonlySet<string>> {
    return merge(this.#names, interval(lookEveryMs).pipe(map(() => this.#names.value)));
  }

  open(name: string): WorkQueue {
    const messages = () => {
      const found = this.#queues.get(name);
      if (!found) throw new QueueGone({ kind: this.kind, name });
      return found;
    };
    const take = () => {
      const message = messages().shift();
      return message && this.#deliver(name, message);
    };
    return {
      kind: this.kind,
      name,
      receive: async signal => {
        signal.throwIfAborted();
        this.receives += 1;
        return take();
      },
      wait: async signal => {
        if (messages().length > 0) return undefined;
        await new Promise<void>((resolve, reject) => {
          const abort = () => {
            this.#bells.delete(name);
            reject(signal.reason as Error);
          };
          this.#bells.set(name, () => {
            this.#bells.delete(name);
            signal.removeEventListener('abort', abort);
            resolve();
          });
          signal.addEventListener('abort', abort, { once: true });
        });
        return take();
      },
      close: () => Promise.resolve(),
    };
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  #put(queue: string, message: Message): void {
    this.#queues.get(queue)?.push(message);
    this.#bells.get(queue)?.();
  }

  #deliver(queue: string, message: Message): Delivery {
    this.held += 1;
    this.mostHeld = Math.max(this.mostHeld, this.held);
    let open = true;
    let began = 0;
    const lost = new AbortController();
    this.lost.set(message.id, lost);
    return {
      queue: { kind: this.kind, name: queue },
      id: message.id,
      body: message.body,
      unreadBytes: message.unreadBytes,
      attemptsBefore: message.attempts,
      history: message.history,
      unplacedSinceMs: message.unplacedSinceMs,
      receivedAtMs: Date.now(),
      lost: lost.signal,
      begin: async attempt => {
        began = attempt;
      },
      settle: async settlement => {
        if (!open) throw new Error('settled twice');
        open = false;
        this.held -= 1;
        if (settlement.type === 'reject' && this.unplaced) {
          this.#put(queue, began > 0 ? { ...message, attempts: began, history: settlement.history } : message);
          throw new UnplacedLetter('make room', new Error('403'));
        }
        this.settled.push({ id: message.id, queue, settlement });
        if (settlement.type === 'release') {
          const { unplacedSinceMs = message.unplacedSinceMs } = settlement;
          this.#put(queue, unplacedSinceMs === undefined ? message : { ...message, unplacedSinceMs });
        }
        if (settlement.type === 'retry') this.#put(queue, { ...message, attempts: began, history: settlement.history });
        if (settlement.type === 'reject') this.dead.push({ id: message.id, queue, reason: settlement.reason });
      },
    };
  }
}
