import { ReplaySubject, type Observable } from 'rxjs';
import { orAborted, sleep } from '../flow/wait.ts';

export interface LooksSettings {
  /** Between two looks, ms. */
  readonly everyMs: number;
  /** Look once: the names of all work queues; undefined where nothing was learnt. */
  readonly look: (signal: AbortSignal) => Promise<ReadonlySet<string> | undefined>;
}

/** Looks for queues: one after another, and one more when somebody asks for a queue that is not known yet. */
export interface Looks {
  readonly found$: Observable<ReadonlySet<string>>;
  /** What `known` gives, after two looks at the most: one that was under way may have missed what was just made. */
  find<T>(known: () => T | undefined, signal: AbortSignal): Promise<T | undefined>;
  /** Look no more; resolves when the last look is over. @param meanwhile done before that is waited for */
  close(meanwhile: () => Promise<unknown>): Promise<void>;
}

export const createLooks = ({ everyMs, look }: LooksSettings): Looks => {
  const found$ = new ReplaySubject<ReadonlySet<string>>(1);
  const closing = new AbortController();
  let looking: Promise<void> | undefined;
  /** One at a time, shared by who needs it. */
  const lookNow = () =>
    (looking ??= look(closing.signal)
      .then(
        found => {
          if (found) found$.next(found);
        },
        () => undefined,
      )
      .finally(() => {
        looking = undefined;
      }));
  const loop = async () => {
    while (!closing.signal.aborted) {
      await lookNow();
      await sleep(everyMs, closing.signal).catch(() => undefined);
    }
  };
  const looping = loop();
  return {
    found$,
    find: async (known, signal) => {
      for (let looks = 0; looks < 2 && known() === undefined; looks++) await orAborted(lookNow(), signal);
      return known();
    },
    close: async meanwhile => {
      closing.abort(new Error('the runner lets go of its queues'));
      await meanwhile();
      await looping;
    },
  };
};

/**
 * What the last looks saw, by name: what one look misses is kept, what two in a row miss is gone. A look that comes early takes nothing
 * away. @param everyMs between two looks
 */
export const createSightings = <V>(everyMs: number, now: () => number) => {
  let seen: ReadonlyMap<string, V> = new Map();
  let missed = new Map<string, number>();
  return {
    get all(): ReadonlyMap<string, V> {
      return seen;
    },
    take: (listed: ReadonlyMap<string, V>): void => {
      const since = (name: string) => missed.get(name) ?? now();
      const kept = [...seen].filter(([name]) => !listed.has(name) && now() - since(name) < everyMs * 0.9);
      missed = new Map(kept.map(([name]) => [name, since(name)]));
      seen = new Map([...listed, ...kept]);
    },
  };
};
