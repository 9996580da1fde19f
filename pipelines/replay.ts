import {
  concat,
  concatMap,
  defer,
  EMPTY,
  finalize,
  from,
  lastValueFrom,
  map,
  merge,
  of,
  throwError,
  type Observable,
} from 'rxjs';
import { AttemptError } from '../lib/errors.ts';
import type { Credit, PulledDelivery, Settled } from '../lib/model/attempt.ts';
import type { Delivery, QueueKind } from '../lib/model/delivery.ts';
import type { RecordedMessage } from '../lib/request/recording.ts';
import { attemptPipeline, readPipeline, type AttemptContext } from './attempt.ts';

export interface ReplayContext {
  /** What the attempts of one queue need, with this clock (ms since the epoch). */
  readonly contextFor: (queue: Delivery['queue'], now: () => number) => AttemptContext;
  /** Stop before anything is reserved or run. */
  readonly dryRun: boolean;
  /** Measure lifetimes from the real time instead of the time of the recording. */
  readonly realClock: boolean;
  /** From its abort on no message is read. */
  readonly stop: AbortSignal;
  /** Messages at once. */
  readonly parallel: number;
}

const kinds: readonly [prefix: string, kind: QueueKind][] = [
  ['rmq', 'rabbitmq'],
  ['sqs', 'sqs'],
  ['pubsub', 'pubsub'],
];

/** A recording has no broker: the queue's name tells the kind, as QUEUE_MATCH has it. */
const kindOf = (name: string): QueueKind => kinds.find(([prefix]) => name.startsWith(prefix))?.[1] ?? 'directory';

const noCredit: Credit = { release: () => undefined };

const deliveryOf = (message: RecordedMessage, index: number): Delivery => ({
  queue: { kind: kindOf(message.queue), name: message.queue },
  id: `message ${String(index + 1)}`,
  body: message.body,
  attemptsBefore: 0,
  history: [],
  receivedAtMs: message.atMs,
  lost: new AbortController().signal,
  begin: () => Promise.resolve(),
  settle: () => Promise.resolve(),
});

/** One replayed message and what its queue would have been told. */
export interface Replayed extends Settled {
  readonly index: number;
}

/** Values by their index, from 0 on, however they come. */
const inOrder = (source: Observable<Replayed>): Observable<Replayed> =>
  defer(() => {
    const early = new Map<number, Replayed>();
    let due = 0;
    return source.pipe(
      concatMap(one => {
        early.set(one.index, one);
        const ready: Replayed[] = [];
        for (let next = early.get(due); next !== undefined; next = early.get(++due)) {
          early.delete(due);
          ready.push(next);
        }
        return ready;
      }),
    );
  });

const replayOne = (message: RecordedMessage, index: number, use: ReplayContext): Promise<Replayed> => {
  const startedAtMs = Date.now();
  const now = use.realClock ? Date.now : () => message.atMs + (Date.now() - startedAtMs);
  const delivery = deliveryOf(message, index);
  const context = use.contextFor(delivery.queue, now);
  const pulled: PulledDelivery = { delivery, credit: noCredit };
  return lastValueFrom(
    of(pulled).pipe(
      use.dryRun ? readPipeline(context) : attemptPipeline(context),
      map(settled => ({ ...settled, index })),
    ),
  );
};

/**
 * Feed recorded messages through the pipeline that live ones go through, and tell what came of each, in the recording's order.
 * Each message's clock starts at the time of its recording, so that a request is as old as it was then. The next message is
 * read when there is a place for it.
 * Errors: what reading the messages throws, after the outcome of those before it.
 */
export const replayMessages = (messages: AsyncIterable<RecordedMessage>, use: ReplayContext): Observable<Replayed> =>
  defer(() => {
    const reader = messages[Symbol.asyncIterator]();
    const faults: unknown[] = [];
    let count = 0;
    const next = async (): Promise<RecordedMessage | undefined> => {
      if (use.stop.aborted || faults.length > 0) return undefined;
      try {
        const read = await reader.next();
        return read.done ? undefined : read.value;
      } catch (error) {
        faults.push(error);
        return undefined;
      }
    };
    const place = async function* (): AsyncGenerator<Replayed> {
      for (let message = await next(); message !== undefined; message = await next()) {
        yield await replayOne(message, count++, use);
      }
    };
    const places = Array.from({ length: use.parallel }, () => from(place()));
    const fault$ = defer(() => (faults.length > 0 ? throwError(() => faults[0]) : EMPTY));
    return concat(inOrder(merge(...places)), fault$).pipe(finalize(() => void reader.return?.()));
  });

/** The reason with which a replay that is interrupted ends its attempts. */
export const interrupted = (): AttemptError => new AttemptError('stopping', 'the replay was interrupted');
