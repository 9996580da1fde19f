import { messageOf } from '../../../errors.ts';
import { sleep } from '../../../flow/wait.ts';
import { ConnectionGivenUp, heartbeatMs, type LiveConnection } from '../connection.ts';
import type { LeaseEntry } from './entry.ts';
import type { RunLocks } from './run-locks.ts';
import { heldMs, waitingMs } from './topology.ts';

export interface RelockContext {
  readonly locks: RunLocks;
  readonly live: LiveConnection;
  /** How the last connection ended. */
  readonly lastEnd: { readonly atMs: number; readonly reason: unknown };
  readonly leaseMs: number;
  /** Whether it is still to be taken: its run may be over meanwhile. */
  readonly isWanted: () => boolean;
}

const againMs = 250;
/** The broker needs a moment to clear up a connection that it ended itself. */
const clearingMs = 1000;

/**
 * Until when a lock that is refused may be held by our own last connection: one that the broker has not noticed the end of. Nobody
 * else can have the message before its copy went through both queues; after that only an end that this side
 * decided on may be unknown there, for as long as heartbeats may be missed.
 */
const oursUntilMs = (entry: LeaseEntry, { lastEnd, leaseMs }: RelockContext): number => {
  const { reason } = lastEnd;
  const decidedHere = reason instanceof ConnectionGivenUp || /heartbeat/i.test(messageOf(reason));
  const unnoticedMs = lastEnd.atMs + (decidedHere ? 3 * heartbeatMs : clearingMs);
  return Math.max(unnoticedMs, entry.renewedAtMs + heldMs(leaseMs) + waitingMs(leaseMs));
};

/**
 * Take the run lock of a lease again on a new connection. Resolves after the first answer; where that is a refusal, it is asked
 * for again until it must be somebody else's: then the lease is lost.
 */
export const relock = async (entry: LeaseEntry, use: RelockContext): Promise<void> => {
  const { lock } = entry.parts;
  if (await use.locks.take(lock)) return;
  const untilMs = oursUntilMs(entry, use);
  const again = async () => {
    while (performance.now() < untilMs && !use.live.ended.aborted && use.isWanted()) {
      await sleep(againMs, use.live.ended);
      if (await use.locks.take(lock)) {
        if (!use.isWanted()) await use.locks.release(lock);
        return;
      }
    }
    if (!use.live.ended.aborted && use.isWanted()) entry.lose('another runner runs it');
  };
  void again().catch(() => undefined);
};
