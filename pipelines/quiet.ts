import { sleep } from '../lib/flow/wait.ts';
import type { QueueBroker } from '../lib/queues/queue.ts';

/** Room that comes back sooner is not worth to tell every queue, ms. */
const graceMs = 100;

/**
 * Ask brokers to hand over nothing while there is no room: where the only way to hear of a message is to be handed it, a runner
 * that is busy would take and give back, and quorum queues count what is given back.
 */
export const createQuiet = (brokers: () => readonly QueueBroker[]) => {
  let full: Promise<void> | undefined;
  const ask = () => {
    for (const broker of full ? brokers() : []) if (full) broker.quiet?.(full);
  };
  return {
    /** There is no room until then. */
    onFull: (until: Promise<void>): void => {
      full = until;
      void until.then(() => {
        if (full === until) full = undefined;
      });
      void sleep(graceMs).then(() => {
        if (full === until) ask();
      });
    },
    /** Something came that there is no room for. */
    onReturned: ask,
  };
};
