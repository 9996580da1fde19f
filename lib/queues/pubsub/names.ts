import { deadSuffix } from './delivery.ts';

/** The last part of a resource's name: `projects/p/subscriptions/NAME`. */
export const shortNameOf = (name: string): string => name.slice(name.lastIndexOf('/') + 1);

/** Subscriptions that are never work: reports, dead letters, and the runner's own. */
export const isWork = (name: string): boolean =>
  !name.endsWith('_response') && !name.endsWith(deadSuffix) && !name.startsWith('studioml-');
