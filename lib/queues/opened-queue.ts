import { orAborted } from '../flow/wait.ts';
import type { Poller } from './poller.ts';

/** What is opened of a queue of an account with the first call on it. */
interface Opened {
  readonly account: { readonly retired: boolean };
  readonly poller: Pick<Poller<never>, 'close'>;
}

export interface OpenedQueue<O extends Opened> {
  /** As it is, without asking whether its account may still take. */
  current(signal: AbortSignal): Promise<O>;
  /** To take from: an account whose credentials went away gives nothing more, and those who wait for it wait on. */
  ready(signal: AbortSignal): Promise<O>;
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
  const current = (signal: AbortSignal): Promise<O> => {
    signal.throwIfAborted();
    const opening = (opened ??= open(closing.signal));
    opening.catch(() => {
      opened = undefined;
    });
    return orAborted(opening, signal);
  };
  return {
    current,
    ready: async signal => {
      const one = await current(signal);
      if (one.account.retired) await orAborted(new Promise<never>(() => undefined), signal);
      return one;
    },
    close: async () => {
      const reason = new Error(`the queue was let go of [queue=${name}]`);
      closing.abort(reason);
      (await opened?.catch(() => undefined))?.poller.close(reason);
    },
  };
};
