import { join } from 'node:path';

/** Where things of a queue are. Dot directories of the root are never queues. */
export interface QueuePaths {
  readonly queue: string;
  /** Claims of one runner on this queue. */
  readonly claims: string;
  readonly dead: string;
}

export const claimsOf = (root: string): string => join(root, '.claims');

export const pathsOf = (root: string, name: string, runnerId: string): QueuePaths => ({
  queue: join(root, name),
  claims: join(claimsOf(root), name, runnerId),
  dead: join(root, '.dead', name),
});

/** The client's lock. Source: spec "Local directory". */
export const lockName = 'lock.lock';

/** A file that is a message: not hidden, not the lock. */
export const isMessage = (name: string): boolean => !name.startsWith('.') && name !== lockName;

/** What travels with a message, hidden beside it so that clients see one file a message. */
export const pastOf = (name: string): string => `.${name}.past`;
