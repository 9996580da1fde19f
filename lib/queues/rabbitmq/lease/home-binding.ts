import { onThrowAwayChannel } from '../channels.ts';
import type { LiveConnection } from '../connection.ts';
import { bindHome } from './hold-in-lease.ts';

/**
 * Whether a queue's messages find home from a lease, which needs a binding: made with the first message on each connection, so that
 * queues without work cost nothing. False where the user may not bind it, or it is gone.
 */
export const createHomeBinding = (queue: string): ((live: LiveConnection) => Promise<boolean>) => {
  let bound: { readonly live: LiveConnection; readonly done: Promise<boolean> } | undefined;
  return live => {
    if (bound?.live !== live) {
      const done = onThrowAwayChannel(live.model, channel => bindHome(channel, queue)).then(
        () => true,
        () => {
          bound = undefined;
          return false;
        },
      );
      bound = { live, done };
    }
    return bound.done;
  };
};
