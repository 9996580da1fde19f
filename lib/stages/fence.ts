import { setImmediate } from 'node:timers/promises';
import { catchError, defer, from, mergeMap, type OperatorFunction } from 'rxjs';
import { asError, AttemptError, isStoreError, messageOf } from '../errors.ts';
import { TimeOver, within } from '../flow/wait.ts';
import type { FenceMark, PreparedAttempt, ReadyAttempt } from '../model/attempt.ts';
import type { Rival } from '../model/delivery.ts';
import { queueId } from '../queues/queue.ts';
import { createFence, fenceBeside, readFence, writeFence, type StandingFence } from '../storage/fence.ts';
import { holdFence, renewByFrom } from '../storage/held-fence.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import type { Emit } from '../telemetry/events.ts';

export interface FenceContext {
  /** The metadata object of the experiment; undefined where it has none. May throw an AttemptError. */
  readonly locateMetadata: (attempt: PreparedAttempt) => ObjectLocation | undefined;
  readonly emit: Emit;
  readonly now: () => number;
}

/** How long a metadata store may keep an attempt from starting, ms. */
const patienceMs = 10_000;
/** An experiment may run for 96 h unless it says less, and its results are stored after that. */
const longestMs = 96 * 3_600_000;
const storingMs = 3_600_000;

/** Whether the attempt of a mark is known to be over: its time is up, or its message was settled since. */
const isOver = ({ at, until }: FenceMark, { delivery }: PreparedAttempt, nowMs: number): boolean =>
  Date.parse(until ?? '') < nowMs ||
  (delivery.buriedAtMs ?? 0) >= Date.parse(at) ||
  delivery.history.some(entry => Date.parse(entry.at) >= Date.parse(at));

/**
 * Whether a mark with our own number is that of a living attempt: of a second message about the experiment, then. Otherwise its message
 * was given back uncounted, and is ours now. A queue that keeps its attempts apart has let us begin, so nobody of its own runs.
 */
const isRunBy = (mark: FenceMark, { identity, delivery }: PreparedAttempt, nowMs: number): boolean =>
  mark.accession !== identity.accession &&
  !(delivery.keepsApart && mark.queue === queueId(delivery.queue)) &&
  Date.parse(mark.renewBy ?? '') >= nowMs;

/** Why this attempt must not run beside what stands there. A later submission of the same key is another run. */
const objectionTo = (mark: FenceMark, attempt: PreparedAttempt, nowMs: number): AttemptError | undefined => {
  const [ours, theirs] = [attempt.request.timeAddedSeconds ?? 0, mark.submitted ?? 0];
  if (ours > theirs || mark.state === 'ended') return undefined;
  const where = { attempt: mark.attempt, by: mark.accession };
  if (mark.state === 'done') return new AttemptError('already-done', 'the experiment was run to its end before', where);
  const { number } = attempt.identity;
  const isTwin = ours === theirs && mark.attempt === number;
  const isOlder = ours === theirs && mark.attempt < number;
  if (isOlder || (isTwin && !isRunBy(mark, attempt, nowMs)) || isOver(mark, attempt, nowMs)) return undefined;
  return new AttemptError('duplicate', isTwin ? 'another message of it runs' : 'a newer attempt of it runs', where);
};

/** What a fence that is not ours tells the queue. Only a first attempt finds none for sure where nobody has begun. */
const rivalOf = (found: StandingFence | undefined, attempt: PreparedAttempt, nowMs: number): Rival => {
  const { number } = attempt.identity;
  if (!found?.mark) return number === 1 ? 'unknown' : 'begun';
  return found.mark.state === 'running' && !isOver(found.mark, attempt, nowMs) ? 'begun' : 'unknown';
};

const markOf = ({ identity, request, delivery }: PreparedAttempt, nowMs: number): FenceMark => ({
  attempt: identity.number,
  accession: identity.accession,
  queue: queueId(delivery.queue),
  state: 'running',
  at: new Date(nowMs).toISOString(),
  renewBy: renewByFrom(nowMs),
  until: new Date(nowMs + (request.maxDurationMs ?? longestMs) + storingMs).toISOString(),
  ...(request.timeAddedSeconds === undefined ? {} : { submitted: request.timeAddedSeconds }),
});

/** A mark that takes longer to be written may be found, ms, long before this attempt knows that it stands. */
const promptMs = 1000;

/** How the fence and the queue hear of each other. */
interface Beside {
  /** Resolves when the queue knows of the attempt. */
  readonly begun: Promise<void>;
  /** Say what stands at the fence. */
  readonly tell: (rival: Rival) => void;
}

const take = async (
  attempt: PreparedAttempt,
  use: FenceContext,
  { begun, tell }: Beside,
  signal: AbortSignal,
): Promise<void> => {
  const metadata = use.locateMetadata(attempt);
  if (!metadata) return;
  const place = fenceBeside(metadata);
  /** What stands there, when the queue has said that nobody else runs it: that may take its time. */
  const standing = async (): Promise<StandingFence | undefined> => {
    const found = await readFence(place, signal);
    const rival = rivalOf(found, attempt, use.now());
    tell(rival);
    await begun;
    return rival === 'begun' ? readFence(place, signal) : found;
  };
  const onFailure = (error: unknown) => {
    use.emit('fence-failed', { error: messageOf(error) }, attempt.record);
  };
  // What is said to the queue goes out first: it takes longest.
  await setImmediate();
  // Nothing stands there before the first attempt, which the store makes sure of: only then is it worth a look.
  let mayBeFirst = attempt.identity.number === 1;
  for (;;) {
    const found = mayBeFirst ? undefined : await standing();
    const objection = found?.mark && objectionTo(found.mark, attempt, use.now());
    if (objection) throw objection;
    const mark = markOf(attempt, use.now());
    const startedAtMs = performance.now();
    try {
      const etag = mayBeFirst ? await createFence(place, mark, signal) : await writeFence(place, mark, found, signal);
      attempt.record.fence = holdFence(place, mark, etag, { now: use.now, scope: attempt.scope, onFailure });
      tell(performance.now() - startedAtMs < promptMs ? 'none' : 'unknown');
      return;
    } catch (error) {
      // Somebody was quicker: what they wrote decides. A store that knows no conditions has to be looked at.
      if (!isStoreError(error, 'precondition') && !(mayBeFirst && isStoreError(error, 'invalid'))) throw error;
      mayBeFirst = false;
    }
  }
};

const isRefusal = (error: unknown): boolean =>
  error instanceof AttemptError && (error.code === 'already-done' || error.code === 'duplicate');

/**
 * The queue may know who else runs it, so a duplicate must not put its mark over that of the attempt that runs. Where nothing stands yet
 * a mark does no harm: whoever such a queue lets begin takes it over.
 */
const begin = async (attempt: PreparedAttempt, use: FenceContext): Promise<void> => {
  const { delivery, identity, request, record, signal } = attempt;
  const rival = Promise.withResolvers<Rival>();
  const begun = delivery.begin(identity.number, request.key, rival.promise).then(() => {
    record.began = true;
  });
  const beside = { begun, tell: rival.resolve };
  const taken = within(patienceMs, until => take(attempt, use, beside, until), signal).then(
    () => {
      // There is no fence.
      rival.resolve('unknown');
    },
    (error: unknown) => {
      // Who is refused for good is so for each attempt; otherwise another one may have got through.
      rival.resolve(isStoreError(error, 'unavailable') || error instanceof TimeOver ? 'begun' : 'unknown');
      return error;
    },
  );
  // A mark that comes later would stand there for an attempt that nobody ends.
  await begun.finally(() => taken);
  const failure = await taken;
  if (failure === undefined) return;
  if (isRefusal(failure)) throw asError(failure);
  if (!signal.aborted) use.emit('fence-failed', { error: messageOf(failure) }, record);
};

/**
 * Say at the queue and in the experiment's metadata store that this attempt begins, while `stages` get it ready; nothing is
 * started before both know. An older attempt that wakes up late finds the mark of a newer one, and a message about something
 * done needs no run. A metadata store that fails holds nobody up for longer than 10 s.
 * In: PreparedAttempt. Out: what the stages make of it, the attempt counted at its queue.
 * Errors: those of the stages, once it is known whether the attempt began; those of Delivery.begin; `already-done` (accept),
 * `duplicate` (given back).
 * Source: docs/design.md, "Fence".
 */
export const fence = (
  stages: OperatorFunction<PreparedAttempt, ReadyAttempt>,
  use: FenceContext,
): OperatorFunction<PreparedAttempt, ReadyAttempt> =>
  mergeMap(attempt =>
    defer(() => {
      const begun = begin(attempt, use);
      begun.catch(() => undefined);
      return from(setImmediate(attempt)).pipe(
        stages,
        catchError(async (error: unknown) => {
          await begun;
          throw error;
        }),
        mergeMap(async ready => {
          await begun;
          attempt.signal.throwIfAborted();
          return ready;
        }),
      );
    }),
  );
