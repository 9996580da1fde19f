import { Subscription, type Observable } from 'rxjs';
import { AttemptError, messageOf } from '../lib/errors.ts';
import { timerMs } from '../lib/flow/wait.ts';
import type { Settled } from '../lib/model/attempt.ts';
import type { QueueName } from '../lib/model/delivery.ts';
import type { QueueBroker } from '../lib/queues/queue.ts';
import type { Emit } from '../lib/telemetry/events.ts';
import { queuePipeline, type QueueContext } from './queue.ts';
import type { KnownQueue } from './why.ts';

/** How the end of a runner looks. */
export interface RunnerEnd {
  /** Whether everything was settled or given back in order. */
  readonly clean: boolean;
  readonly settled: number;
}

export interface Runner {
  /**
   * Take nothing more; running work has the drain time, then it is stopped and given back. `now`: it is killed at once. `finish`: it
   * has all the time that it needs.
   */
  stop(how?: { readonly now?: boolean; readonly finish?: boolean; readonly why?: string }): void;
  readonly finished: Promise<RunnerEnd>;
  /** The queues of this short name that are there and match. */
  known(name: string): readonly KnownQueue[];
  /** All queues that are there and match, by broker. */
  all(): readonly BrokerQueues[];
}

/** The queues of one broker that are there and match. */
export interface BrokerQueues {
  readonly broker: QueueBroker;
  /** Whether it has told its queues since the start. */
  readonly looked: boolean;
  readonly queues: readonly KnownQueue[];
}

export interface RunnerContext {
  readonly emit: Emit;
  readonly brokers: readonly QueueBroker[];
  /** Whether a queue of this short name is for this runner. */
  readonly matches: (name: string) => boolean;
  /** Why a queue that matches can not be served by this runner; undefined where it can. */
  readonly refuses: (queue: QueueName) => string | undefined;
  /** After each value `refuses` may say something else than before. */
  readonly changes$?: Observable<void>;
  /** What the attempts of one queue need; `stop` ends them, its reason is an AttemptError. */
  readonly contextFor: (queue: QueueName, stop: AbortSignal, broker: QueueBroker) => QueueContext;
  /** Time that running work has to end by itself, ms. */
  readonly drainMs: number;
  /**
   * A queue is gone when two looks in a row miss it, the second at least this long after the first, ms: a blip of a broker's
   * listing aborts nothing.
   */
  readonly goneAfterMs: number;
  /** SIGKILL what still runs. */
  readonly kill: () => void;
  /** Hears of each list of queues that a broker gave. */
  readonly onLook?: (broker: QueueBroker) => void;
  /** Hears of each message that is settled, or that is not ours any more. */
  readonly onSettled?: (settled: Settled) => void;
  /** Let go of everything else: stores, timers. */
  readonly close: () => Promise<void>;
}

interface Served extends QueueName {
  readonly broker: QueueBroker;
  readonly until: AbortController;
  readonly stop: AbortController;
  /** When a look first missed it, and none has seen it since. */
  missingSinceMs?: number | undefined;
}

/**
 * All matching queues over one ledger. Each queue is its own pipeline, switched on when discovery finds it and off when it is
 * gone; an error of one never ends another.
 */
export const createRunner = (use: RunnerContext): Runner => {
  /** By broker and name: two brokers may have queues of one name. */
  const served = new Map<string, Served>();
  /** Those and the ones that take nothing more while their last work ends. */
  const alive = new Set<Served>();
  const idOf = (broker: QueueBroker, name: string) => `${String(use.brokers.indexOf(broker))}/${name}`;
  const lastNames = new Map<QueueBroker, ReadonlySet<string>>();
  const discovery = new Subscription();
  const { promise: finished, resolve: finish } = Promise.withResolvers<RunnerEnd>();
  let settledCount = 0;
  let clean = true;
  let stopping = false;
  let isFinished = false;
  let drain: NodeJS.Timeout | undefined;

  const finishWhenDone = () => {
    if (!stopping || alive.size > 0) return;
    isFinished = true;
    clearTimeout(drain);
    const closing = [...use.brokers.map(broker => broker.close()), use.close()];
    void Promise.allSettled(closing).then(results => {
      use.emit('runner-stopped', { settled: settledCount });
      finish({ clean: clean && results.every(result => result.status === 'fulfilled'), settled: settledCount });
    });
  };

  const start = (broker: QueueBroker, one: Served): void => {
    const { name } = one;
    const context = use.contextFor(one, one.stop.signal, broker);
    queuePipeline(one, () => broker.open(name), context, one.until.signal).subscribe({
      next: settled => {
        settledCount += 1;
        clean &&= settled.told || settled.settlement === 'none';
        use.onSettled?.(settled);
      },
      error: (error: unknown) => {
        // Attempts never fail and a queue is opened anew by itself: this is a fault of the program.
        use.emit('queue-fault', { error: messageOf(error), retryMs: 0 }, { queue: name });
        clean = false;
        end(broker, one);
      },
      complete: () => {
        end(broker, one);
      },
    });
  };

  const end = (broker: QueueBroker, one: Served): void => {
    alive.delete(one);
    if (served.get(idOf(broker, one.name)) === one) served.delete(idOf(broker, one.name));
    finishWhenDone();
    // It may have come back while its last work was ending.
    if (lastNames.get(broker)?.has(one.name)) consider(broker, one.name);
  };

  const ignored = new Map<string, string>();
  /** Whether a queue must be left alone; told once for each reason. */
  const ignore = (broker: QueueBroker, name: string): boolean => {
    const id = idOf(broker, name);
    const why = broker.refuses?.(name) ?? use.refuses({ kind: broker.kind, name });
    if (why === undefined) ignored.delete(id);
    else if (ignored.get(id) !== why) {
      ignored.set(id, why);
      use.emit('queue-ignored', { why, kind: broker.kind }, { queue: name });
    }
    return why !== undefined;
  };

  const found = (broker: QueueBroker, name: string) => {
    const id = idOf(broker, name);
    const one: Served = { broker, kind: broker.kind, name, until: new AbortController(), stop: new AbortController() };
    served.set(id, one);
    alive.add(one);
    use.emit('queue-found', { kind: broker.kind }, { queue: name });
    start(broker, one);
  };

  /** Take nothing more from a queue; its work goes on to its end. It can be found again meanwhile. */
  const letGo = (one: Served) => {
    served.delete(idOf(one.broker, one.name));
    one.until.abort();
  };

  const gone = (one: Served) => {
    use.emit('queue-gone', {}, { queue: one.name });
    one.until.abort();
    one.stop.abort(new AttemptError('queue-deleted', 'its queue was deleted', { queue: one.name }));
  };

  const isAnyMissing = (broker: QueueBroker): boolean =>
    [...served.values()].some(one => one.broker === broker && one.missingSinceMs !== undefined);

  /** Start what is new. The queues that a look does not name are missed by it. */
  const consider = (broker: QueueBroker, name: string) => {
    if (stopping || !use.matches(broker.shortName?.(name) ?? name)) return;
    const one = served.get(idOf(broker, name));
    const left = ignore(broker, name);
    if (one && left) letGo(one);
    else if (!one && !left) found(broker, name);
  };

  const look = (broker: QueueBroker, names: ReadonlySet<string>) => {
    if (stopping) return;
    for (const name of names) consider(broker, name);
    const nowMs = performance.now();
    for (const one of alive) {
      if (one.broker !== broker || one.stop.signal.aborted) continue;
      if (names.has(one.name)) {
        one.missingSinceMs = undefined;
        continue;
      }
      one.missingSinceMs ??= nowMs;
      if (nowMs - one.missingSinceMs >= use.goneAfterMs && nowMs > one.missingSinceMs) gone(one);
    }
  };

  for (const broker of use.brokers) {
    discovery.add(
      broker.discover().subscribe(names => {
        // A look that says what the last one said has nothing new, unless it misses a queue for the second time.
        const same = lastNames.get(broker) === names;
        lastNames.set(broker, names);
        use.onLook?.(broker);
        if (!same || isAnyMissing(broker)) look(broker, names);
      }),
    );
  }

  discovery.add(
    use.changes$?.subscribe(() => {
      for (const [broker, names] of lastNames) look(broker, names);
    }),
  );

  const abortAll = (message: string) => {
    for (const one of alive) one.stop.abort(new AttemptError('stopping', message));
  };

  return {
    finished,
    all: () =>
      use.brokers.map(broker => ({
        broker,
        looked: lastNames.has(broker),
        queues: [...(lastNames.get(broker) ?? [])]
          .filter(name => use.matches(broker.shortName?.(name) ?? name))
          .map(name => ({ kind: broker.kind, name, refused: use.refuses({ kind: broker.kind, name }) })),
      })),
    known: name =>
      use.brokers
        .filter(broker => served.has(idOf(broker, name)) || (lastNames.get(broker)?.has(name) && use.matches(name)))
        .map(({ kind }) => ({ kind, name, refused: use.refuses({ kind, name }) })),
    stop: ({ now = false, finish: finishes = false, why = 'asked to stop' } = {}) => {
      if (!stopping) {
        stopping = true;
        use.emit('runner-stopping', { why });
        discovery.unsubscribe();
        for (const one of alive) one.until.abort();
        finishWhenDone();
      }
      if (!finishes && !isFinished) drain ??= setTimeout(abortAll, timerMs(use.drainMs), 'the runner stops');
      if (now) {
        clearTimeout(drain);
        abortAll('the runner stops now');
        use.kill();
      }
    },
  };
};
