import type { Shortage } from '../model/resources.ts';

/** What is lacking, in words. */
export const listShortages = (lacking: readonly Shortage[]): string =>
  lacking.map(one => `${one.resource}: asked ${String(one.asked)}, available ${String(one.available)}`).join('; ');

/** What is lacking by its resource, as the event `no-room` tells it. */
export const shortagesByResource = (lacking: readonly Shortage[]): Readonly<Record<string, Shortage>> =>
  Object.fromEntries(lacking.map(one => [one.resource, one]));
