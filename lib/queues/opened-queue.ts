import { orAborted } from '../flow/wait.ts';
import type { Poller } from './poller.ts';

/** What is opened of a queue of an account with the first call on it. */
interface Opened {
  readonly poller: Pick<Poller<never>, 'close'>;
}

export interface OpenedQueue<O extends Opened> {
  current(signal: AbortSignal): Promise<O>;
  close(): Promise<void>;
}

/**
 * A queue that is opened by the first call on it, and by the next one where that failed.
 * @param open ends when its signal aborts, with the first `close`
 */
export const createOpenedQueue = <O extends Opened>(
  name: string,
  open: (signal: AbortSignal) => Promise<O>,
): OpenedQueue<O> => {
  const closing = new AbortController();
  let opened: Promise<O> | undefined;
  return {
    current: async signal => {
      signal.throwIfAborted();
      const opening = (opened ??= open(closing.signal));
      opening.catch(() => {
        opened = undefined;
      });
      return orAborted(opening, signal);
    },
    close: async () => {
      const reason = new Error(`the queue was let go of [queue=${name}]`);
      closing.abort(reason);
      (await opened?.catch(() => undefined))?.poller.close(reason);
    },
  };
};
