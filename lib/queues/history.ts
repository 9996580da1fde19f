import type { HistoryEntry } from '../model/outcome.ts';

/** What travels with a message beside its body: how many attempts were started, and how earlier ones ended. */
export interface Past {
  readonly attempts: number;
  readonly history: readonly HistoryEntry[];
}

const isEntry = (value: unknown): value is HistoryEntry => {
  if (typeof value !== 'object' || value === null) return false;
  const { cause, host, at } = value as Record<string, unknown>;
  return typeof cause === 'string' && typeof host === 'string' && typeof at === 'string';
};

/** Read it from where anybody could have written to: what makes no sense counts as nothing. */
export const readPast = (attempts: unknown, history: unknown): Past => {
  const count = Number(attempts);
  let entries: unknown = history;
  if (typeof history === 'string') {
    try {
      entries = JSON.parse(history);
    } catch {
      entries = [];
    }
  }
  return {
    attempts: Number.isSafeInteger(count) && count > 0 ? count : 0,
    history: Array.isArray(entries) ? entries.filter(isEntry) : [],
  };
};
