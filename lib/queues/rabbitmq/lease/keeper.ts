import { randomBytes } from 'node:crypto';
import type { Channel, ConsumeMessage, GetMessage, Message } from 'amqplib';
import { asError, AttemptError, messageOf } from '../../../errors.ts';
import type { InTurn } from '../../../flow/in-turn.ts';
import { inTime, orAborted, sleep, within } from '../../../flow/wait.ts';
import type { Rival } from '../../../model/delivery.ts';
import type { Emit } from '../../../telemetry/events.ts';
import type { Connection, LiveConnection } from '../connection.ts';
import { headerNames, leasedHeaders, originalExpiration, originalHeaders } from '../message.ts';
import { commitTransaction } from '../transaction.ts';
import { ackTag, LeaseBook } from './book.ts';
import { LeaseEntry } from './entry.ts';
import { createHeldOver } from './held-over.ts';
import { LockedRuns } from './locked-runs.ts';
import { relock } from './relock.ts';
import { createRunLocks, runLockOf } from './run-locks.ts';
import { openSession, publishLease, type LeaseSession } from './session.ts';
import { declareLeases, deleteLeaseQueues } from './topology.ts';

export interface LeasesSettings {
  readonly connection: Connection;
  /** Names the lease queues: no other runner, before or after, has it. */
  readonly runner: string;
  readonly leaseMs: number;
  readonly emit: Emit;
}

/** A delivery that is to be leased, and the transactional channel that holds it. */
export interface Taking {
  readonly queue: string;
  readonly message: GetMessage | ConsumeMessage;
  /** The number of the attempt that begins. */
  readonly attempt: number;
  /** Of the experiment. */
  readonly key: string;
  readonly rival: Promise<Rival> | undefined;
  readonly channel: Channel;
  /** Whose turn it is on the channel. */
  readonly inTurn: InTurn;
  readonly live: LiveConnection;
  /** Aborts when the channel ends. */
  readonly ended: AbortSignal;
}

/** A leased message. */
export interface Taken {
  readonly entry: LeaseEntry;
  /** Why it must not be run, and is to be settled: another runner has the run lock. */
  readonly refusal?: AttemptError;
}

export interface Leases {
  /** Whether there are leases on this connection. A user who may not declare queues has none. */
  offeredOn(live: LiveConnection): Promise<boolean>;
  /** Move a delivery from its work queue into a lease. Errors: AttemptError `duplicate`, `broker-fault`: it is where it was. */
  take(taking: Taking): Promise<Taken>;
  /**
   * End a lease: its copy is acknowledged, in one transaction with what `burst` publishes. Connection trouble is waited out for
   * `patienceMs`. Errors: AttemptError `lease-lost`, TimeOver.
   */
  settle(entry: LeaseEntry, patienceMs: number, burst?: (channel: Channel) => void): Promise<void>;
  /** The found queues, and those that went down with their broker while there is work for them. */
  withHeldOver(found: ReadonlySet<string>): ReadonlySet<string>;
  /** Send home, counted, what is still leased, and remove the queues. */
  close(): Promise<void>;
}

/** Renewals in the time of a lease: three before a copy that nobody holds leaves the first queue. */
const renewals = 9;
/** How long copies of an earlier connection may take to turn up on the next one, ms. Nobody else can run them meanwhile. */
const reconcileMs = 10_000;
/** How long the broker is given at the end, ms. */
const goodbyeMs = 1000;

/**
 * The leases of one runner on one broker. A delivery that is admitted moves into a queue of the runner's own, and a fresh copy
 * takes the place of the last one all the time, so that the broker never sees a message held for long. When the connection
 * ends, the copies wait in the runner's two queues: it finds them there and carries on, or they go home.
 */
export const createLeases = ({ connection, runner, leaseMs, emit }: LeasesSettings): Leases => {
  const closing = new AbortController();
  const book = new LeaseBook();
  const locked = new LockedRuns(() => current?.locks);
  const sessions = new WeakMap<LiveConnection, Promise<LeaseSession | undefined>>();
  let current: LeaseSession | undefined;
  let connections = 0;
  let lastEnd = { atMs: 0, reason: undefined as unknown };
  let said: string | undefined;

  const markMissing = (which: (entry: LeaseEntry) => boolean) => {
    for (const entry of book.entries) if (which(entry)) entry.missing = true;
  };
  const returned = (live: LiveConnection) => (message: Message) => {
    const id = message.properties.headers?.[headerNames.leaseId] as unknown;
    if (message.fields.exchange === '' || id === undefined) return;
    markMissing(entry => entry.parts.id === id);
    live.fail(new Error('the lease queues are not where they were'));
  };

  const begin = async (live: LiveConnection): Promise<LeaseSession | undefined> => {
    try {
      await declareLeases(live.model, runner, leaseMs);
    } catch (error) {
      if (live.ended.aborted) throw error;
      const why = messageOf(error);
      if (why !== said) emit('lease-unavailable', { broker: connection.name, why });
      said = why;
      for (const entry of book.entries) entry.lose('there are no leases any more on its broker', error);
      return undefined;
    }
    said = undefined;
    const locks = createRunLocks(live.model);
    const running = book.entries.filter(entry => entry.state === 'held' && locked.has(entry));
    for (const entry of running) locked.dropTimer(entry);
    await Promise.all(
      running.map(entry => relock(entry, { locks, live, lastEnd, leaseMs, isWanted: () => locked.has(entry) })),
    );
    const session = await openSession({
      live,
      locks,
      runner,
      onCopy: (message, from, late) => book.arrive(message, from, late),
      // Also of one that is being taken: its commit may have been done, and then the copy was all that there was of it.
      onQueueGone: () => markMissing(({ state }) => state !== 'over'),
      onReturn: returned(live),
    });
    await book.replace(session);
    await session.consume();
    connections += 1;
    current = session;
    // Those that were settled since they were asked for.
    for (const entry of running) {
      if (!locked.has(entry)) void locks.release(entry.parts.lock).catch(() => undefined);
    }
    const late = setTimeout(() => book.reconcile(session), reconcileMs);
    session.ended.addEventListener('abort', () => clearTimeout(late), { once: true });
    return session;
  };

  const sessionOn = (live: LiveConnection): Promise<LeaseSession | undefined> => {
    let session = sessions.get(live);
    if (!session) {
      session = orAborted(begin(live), live.ended);
      session.catch((error: unknown) => live.fail(error));
      sessions.set(live, session);
    }
    return session;
  };

  const follow = async (): Promise<void> => {
    for (;;) {
      const live = await connection.current(closing.signal);
      void sessionOn(live).catch(() => undefined);
      if (!live.ended.aborted) {
        await new Promise(resolve => live.ended.addEventListener('abort', resolve, { once: true }));
      }
      if (current?.live === live) current = undefined;
      lastEnd = { atMs: performance.now(), reason: live.ended.reason };
    }
  };
  follow().catch(() => undefined);

  const renewing = setInterval(() => {
    if (current) void book.renew(current);
  }, leaseMs / renewals).unref();

  /** Nothing was started: should the copy turn up, it goes home as the message came. */
  const withdraw = (entry: LeaseEntry): void => {
    entry.state = 'withdrawn';
    void locked.release(entry);
    if (entry.copy) book.forget(entry);
    else
      void sleep(leaseMs, closing.signal).then(
        () => book.forget(entry),
        () => undefined,
      );
  };

  const entryFor = ({ queue, message, attempt, key }: Taking): LeaseEntry => {
    const id = randomBytes(12).toString('hex');
    const { properties } = message;
    const headers = leasedHeaders(originalHeaders(properties.headers), originalExpiration(properties), {
      [headerNames.attempt]: attempt,
      [headerNames.lease]: runner,
      [headerNames.leaseId]: id,
      // Read where it becomes a dead letter because its queue is not there any more.
      [headerNames.queue]: queue,
      [headerNames.reason]: 'queue-deleted',
      [headerNames.message]: 'its queue was not there when its lease was over',
    });
    return new LeaseEntry({ id, queue, lock: runLockOf(queue, key), body: message.content, properties, headers });
  };

  const heldOver = createHeldOver(
    () => [...new Set(book.entries.filter(({ state }) => state === 'held').map(({ parts }) => parts.queue))],
    () => (current ? connections : undefined),
  );

  return {
    offeredOn: async live => (await sessionOn(live)) !== undefined,
    take: async taking => {
      const { live, channel, inTurn, message, ended, queue, rival } = taking;
      const session = await sessionOn(live);
      if (!session) throw new AttemptError('broker-fault', 'the broker offers no leases', { queue });
      const entry = entryFor(taking);
      const refuse = () => new AttemptError('duplicate', 'another attempt of this experiment runs', { queue });
      if (!locked.reserve(entry)) throw refuse();
      // Beside each other: two round trips and a transaction would follow one another otherwise.
      const isOurs = orAborted(locked.take(entry, session.locks, rival, ended), ended).catch((error: unknown) =>
        asError(error),
      );
      book.add(entry);
      // The next connection looks for it as well.
      entry.seenIn = session;
      try {
        await orAborted(
          inTurn(async () => {
            // What no queue takes comes back before the commit is answered, which acknowledges the original all the same.
            const onReturn = returned(live);
            channel.on('return', onReturn);
            publishLease(channel, entry);
            channel.ack(message);
            await commitTransaction(channel).finally(() => channel.off('return', onReturn));
          }),
          ended,
        );
      } catch (error) {
        await isOurs;
        withdraw(entry);
        throw new AttemptError('broker-fault', 'the message could not be leased', { queue }, { cause: error });
      }
      entry.state = 'held';
      heldOver.took(queue);
      const answer = await isOurs;
      if (answer === true) return { entry };
      void locked.release(entry);
      const fault = () =>
        new AttemptError('broker-fault', 'the run lock could not be asked for', { queue }, { cause: answer });
      return { entry, refusal: answer === false ? refuse() : fault() };
    },
    settle: async (entry, patienceMs, burst) => {
      const unlocked = locked.release(entry);
      try {
        await within(patienceMs, async signal => {
          // Whoever gets the message next may run it at once.
          if (burst) await orAborted(unlocked, signal);
          for (let copy = await entry.awaitCopy(signal); copy; copy = await entry.awaitCopy(signal)) {
            // A renewal may have had it in the meantime.
            if (entry.copy !== copy) continue;
            const { session, tag } = copy;
            entry.copy = undefined;
            entry.uncertain = true;
            const done = session.transact(channel => {
              burst?.(channel);
              ackTag(channel, tag);
            });
            await orAborted(done, signal).then(
              () => entry.close(),
              (error: unknown) => {
                if (!session.ended.aborted || signal.aborted) throw error;
              },
            );
          }
        });
      } finally {
        book.forget(entry);
      }
    },
    withHeldOver: found => heldOver.with(found),
    close: async () => {
      closing.abort(new Error('the runner lets go of its queues'));
      clearInterval(renewing);
      const session = current;
      if (session) {
        const leave = async () => {
          await book.returnAll(session);
          await session.leave();
          await deleteLeaseQueues(session.live.model, runner);
        };
        await inTime(goodbyeMs, leave()).catch(() => undefined);
      }
      for (const entry of book.entries) entry.lose('the runner lets go of its queues');
    },
  };
};
