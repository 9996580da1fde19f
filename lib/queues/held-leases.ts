import { randomUUID } from 'node:crypto';
import { messageOf } from '../errors.ts';
import { orAborted } from '../flow/wait.ts';
import type { Emit } from '../telemetry/events.ts';
import type { Fault } from './account.ts';

/** Where a service keeps the copies that one runner has begun, `M` as they are received and `R` as they are held. */
export interface LeasePlace<M, R> {
  /** Make it where it is not there. */
  open(): Promise<unknown>;
  /** What was put there, hidden from others; waits a little for it. */
  receive(signal: AbortSignal): Promise<readonly M[]>;
  leaseOf(copy: M): string;
  /** The service's name for this copy: a send whose answer was lost is made again, and leaves two copies of one lease. */
  idOf(copy: M): string;
  /** What a copy that is ours is held by from now on. */
  hold(copy: M, signal: AbortSignal): Promise<R>;
  drop(copy: M, signal: AbortSignal): Promise<unknown>;
  faultOf(error: unknown): Fault;
}

/** The copies of one runner in one place. */
export interface HeldLeases<R> {
  /** Whether the service doesn't let this runner make the place. */
  readonly denied: boolean;
  /** Nothing is held there, and nothing on its way. */
  readonly isIdle: boolean;
  /** Aborts when the runner lets go of its queues. */
  readonly closing: AbortSignal;
  /** Put a copy there and take it out again. Undefined where there may be no such place. @param send puts it there, under this name */
  move(send: (lease: string) => Promise<unknown>, signal: AbortSignal): Promise<R | undefined>;
  /**
   * What a copy that is seen there is: one that is being taken, one too many, which nobody would miss, or one that lapsed.
   * @param id as `LeasePlace.idOf` gives it
   */
  claimOf(lease: string, id: string): 'awaited' | 'spare' | 'lapsed';
  /** Say that a copy is no longer held. */
  left(receipt: R): void;
  /** Say so of one that is spare from now on. */
  discard(receipt: R): void;
  close(): void;
}

export interface HeldLeasesSettings {
  /** For people: whose place it is. */
  readonly broker: string;
  readonly host: string;
  readonly emit: Emit;
}

/** Who waits for a copy to be held. */
interface Taker<R> extends PromiseWithResolvers<R> {
  /** Whether the service has said that it has the copy. */
  isSent: boolean;
}

/** Of so many leases it is known which copy counts: a second one turns up soon, or never. */
const mostRemembered = 4096;

/**
 * Copies of what a runner begins: sent to a place of its own, received there, and from then on held. Dying before a copy is held leaves
 * the original to lapse, uncounted. One copy of a lease counts: the one that was held, for as long as something would be lost with it.
 */
export const createHeldLeases = <M, R>(
  place: LeasePlace<M, R>,
  { broker, host, emit }: HeldLeasesSettings,
): HeldLeases<R> => {
  const closing = new AbortController();
  const { signal: closed } = closing;
  const awaited = new Map<string, Taker<R>>();
  const isAnySent = (): boolean => [...awaited.values()].some(({ isSent }) => isSent);
  /** The copy that counts of each lease that is not awaited any more; none where nobody took one. */
  const counting = new Map<string, string | undefined>();
  /** Leases by what their copies are held by. */
  const held = new Map<R, string>();
  let denied = false;
  let pumping = false;

  const decide = (lease: string, id: string | undefined): void => {
    awaited.delete(lease);
    counting.set(lease, id);
    const [oldest] = counting.keys();
    if (counting.size > mostRemembered && oldest !== undefined) counting.delete(oldest);
  };

  const claimOf: HeldLeases<R>['claimOf'] = (lease, id) => {
    if (awaited.has(lease)) return 'awaited';
    return counting.has(lease) && counting.get(lease) !== id ? 'spare' : 'lapsed';
  };

  const sort = async (copy: M): Promise<void> => {
    const [lease, id] = [place.leaseOf(copy), place.idOf(copy)];
    if (awaited.has(lease)) {
      const receipt = await place.hold(copy, closed);
      const taker = awaited.get(lease);
      if (taker) decide(lease, id);
      taker?.resolve(receipt);
    }
    // One that can't be dropped now is seen again.
    if (claimOf(lease, id) === 'spare') await place.drop(copy, closed).catch(() => undefined);
    // Another one lapsed while this runner was not heard of: the reaper brings it home.
  };

  /** Take out what was put in, as long as somebody waits for it. */
  const pump = async (): Promise<void> => {
    if (pumping) return;
    pumping = true;
    try {
      while (isAnySent() && !closed.aborted) {
        for (const copy of await place.receive(closed)) await sort(copy);
      }
    } catch (error) {
      for (const [lease, taker] of awaited) {
        if (!taker.isSent) continue;
        taker.reject(error);
        awaited.delete(lease);
      }
    } finally {
      pumping = false;
    }
  };

  return {
    get denied() {
      return denied;
    },
    get isIdle() {
      return held.size === 0 && awaited.size === 0;
    },
    closing: closed,
    move: async (send, signal) => {
      if (denied) return undefined;
      try {
        await place.open();
      } catch (error) {
        if (closed.aborted || place.faultOf(error) !== 'denied') throw error;
        denied = true;
        emit('lease-unavailable', { broker, why: messageOf(error) });
        return undefined;
      }
      const lease = `${host}/${randomUUID()}`;
      const taker: Taker<R> = { ...Promise.withResolvers<R>(), isSent: false };
      taker.promise.catch(() => undefined);
      // Before it is sent: who takes out another one just then may get it before the service has said that it came.
      awaited.set(lease, taker);
      try {
        await send(lease);
        taker.isSent = true;
        void pump();
        const receipt = await orAborted(taker.promise, signal);
        held.set(receipt, lease);
        return receipt;
      } catch (error) {
        decide(lease, undefined);
        throw error;
      }
    },
    claimOf,
    left: receipt => {
      held.delete(receipt);
    },
    discard: receipt => {
      const lease = held.get(receipt);
      held.delete(receipt);
      if (lease !== undefined) decide(lease, undefined);
    },
    close: () => {
      closing.abort(new Error('the runner lets go of its queues'));
    },
  };
};
