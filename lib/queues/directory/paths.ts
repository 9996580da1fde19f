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

/** File systems allow 255; what the driver adds to a name has to fit too. */
const maxNameBytes = 200;

/** A file that is a message: not hidden, not the lock, its name not longer than 200 bytes. */
export const isMessage = (name: string): boolean =>
  !name.startsWith('.') && name !== lockName && Buffer.byteLength(name) <= maxNameBytes;

/** What travels with a message, hidden beside it so that clients see one file a message. */
export const pastOf = (name: string): string => `.${name}.past`;

/** A claim's name: the message's with a number before it, since a client may use a name again while the first is in work. */
export const claimName = (name: string, number: number): string => `${String(number)}~${name}`;

/** The message's name again. */
export const messageName = (claim: string): string => claim.replace(/^\d+~/, '');

/** A claim as it lies in a runner's directory: anything that is not hidden. */
export const isClaim = (name: string): boolean => !name.startsWith('.');

export const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';
