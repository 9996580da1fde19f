import type { ObservedAttempt } from '../model/attempt.ts';

/** Two states of an attempt as one, where the first was not looked at yet: the later one, with everything that is due. */
export const laterSnapshot = (waiting: ObservedAttempt, next: ObservedAttempt): ObservedAttempt => {
  if (waiting.end) return waiting;
  return next.end ? next : { ...next, due: new Set([...(waiting.due ?? []), ...(next.due ?? [])]) };
};
