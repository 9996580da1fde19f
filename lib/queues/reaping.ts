import { messageOf } from '../errors.ts';
import { sleep } from '../flow/wait.ts';
import type { HistoryEntry } from '../model/outcome.ts';
import type { Emit } from '../telemetry/events.ts';
import type { Fault } from './account.ts';

export interface ReapingSettings {
  /** Lease queues of all runners. */
  readonly queues: () => readonly string[];
  /** Whether one is this runner's own. */
  readonly isOwn: (queue: string) => boolean;
  readonly leaseMs: number;
  /** Bring home what has lapsed in one of them. */
  readonly look: (queue: string) => Promise<void>;
  readonly faultOf: (error: unknown) => Fault;
  readonly account: { readonly retired: boolean };
  /** Aborted by `close`; ends a look that is under way. */
  readonly closing: AbortController;
  readonly emit: Emit;
}

/** How many runners look at one lease queue between two looks of one runner, about: enough that it is never forgotten. */
const looksEach = 4;

/** Look at lease queues all the time, at one's own each time. */
export const reapInTurn = (settings: ReapingSettings): { close(): Promise<void> } => {
  const { queues, isOwn, leaseMs, look, faultOf, account, closing, emit } = settings;
  const { signal } = closing;
  const loop = async () => {
    while (!signal.aborted) {
      await sleep(leaseMs / 3, signal).catch(() => undefined);
      const all = queues();
      for (const queue of all) {
        if (signal.aborted || account.retired) break;
        if (!isOwn(queue) && Math.random() > looksEach / all.length) continue;
        await look(queue).catch((error: unknown) => {
          if (signal.aborted || faultOf(error) === 'queue-gone') return;
          const words = `a message that lapsed could not be brought home: ${messageOf(error)}`;
          emit('queue-fault', { error: words, retryMs: leaseMs / 3 }, { queue });
        });
      }
    }
  };
  const looping = loop();
  return {
    close: () => {
      closing.abort(new Error('the runner lets go of its queues'));
      return looping;
    },
  };
};

/** What is said of the attempt of a runner that died. @param lease `<runner>/…`, as its copy names it */
export const deathOf = (lease: string | undefined, nowMs: number): HistoryEntry => ({
  cause: 'runner-died',
  host: lease?.split('/')[0] ?? '',
  at: new Date(nowMs).toISOString(),
  message: 'its runner was not heard of any more',
});
