import { createTurns, createTurnsByName } from '../../flow/in-turn.ts';
import { orAborted } from '../../flow/wait.ts';

/**
 * Who may look at names of an engine's images, and change them. An archive brings names of its own, and a pull with credentials a name
 * that others must not see: until they are put back, nobody else may take them for what they stand for. Other runners on this
 * engine are not held back: what they take away is brought again.
 */
export interface ImageTurns {
  /** Bring what one name stands for, one at a time. Errors: the signal's reason, where it aborts; what has begun goes on. */
  bring<T>(name: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** Look at names or change them, one at a time for all: for what takes no longer than a load. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

export const createImageTurns = (): ImageTurns => {
  const byName = createTurnsByName();
  return {
    bring: (name, signal, work) => {
      const begin = async () => {
        signal.throwIfAborted();
        return work();
      };
      return orAborted(byName(name, begin), signal);
    },
    alone: createTurns(),
  };
};
