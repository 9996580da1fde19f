import type { HistoryEntry } from '../model/outcome.ts';

/** What travels with a message beside its body: how many attempts were started, and how earlier ones ended. */
export interface Past {
  readonly attempts: number;
  readonly history: readonly HistoryEntry[];
  /** When a runner first gave it back because it can't run it at all, ms since the epoch. */
  readonly unplacedSinceMs?: number | undefined;
  /** When it became the dead letter that an operator put back as new, ms since the epoch. */
  readonly buriedAtMs?: number | undefined;
}

const isEntry = (value: unknown): value is HistoryEntry => {
  if (typeof value !== 'object' || value === null) return false;
  const { cause, host, at } = value as Record<string, unknown>;
  return typeof cause === 'string' && typeof host === 'string' && typeof at === 'string';
};

/** Times and counts are whole numbers above 0. */
const wholeNumber = (value: unknown): number | undefined => {
  const number = Number(value);
  return Number.isSafeInteger(number) && number > 0 ? number : undefined;
};

/** Read it from where anybody could have written to: what makes no sense counts as nothing. */
export const readPast = ({
  attempts,
  history,
  unplacedSinceMs,
  buriedAtMs,
}: Readonly<Partial<Record<keyof Past, unknown>>>): Past => {
  let entries: unknown = history;
  if (typeof history === 'string') {
    try {
      entries = JSON.parse(history);
    } catch {
      entries = [];
    }
  }
  const since = wholeNumber(unplacedSinceMs);
  const buried = wholeNumber(buriedAtMs);
  return {
    attempts: wholeNumber(attempts) ?? 0,
    history: Array.isArray(entries) ? entries.filter(isEntry) : [],
    ...(since === undefined ? {} : { unplacedSinceMs: since }),
    ...(buried === undefined ? {} : { buriedAtMs: buried }),
  };
};

/** The past of a dead letter that goes back: as new, or what was before its last attempt. */
export const pastOfRequeued = (
  { history, atMs }: { readonly history: readonly HistoryEntry[]; readonly atMs: number | undefined },
  counted: boolean,
): Past => {
  if (counted) return { attempts: Math.max(0, history.length - 1), history };
  return { attempts: 0, history: [], buriedAtMs: atMs === undefined ? undefined : Math.floor(atMs) };
};
