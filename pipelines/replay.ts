import { map, mergeMap, of, type Observable } from 'rxjs';
import { AttemptError } from '../lib/errors.ts';
import type { Credit, PulledDelivery, Settled } from '../lib/model/attempt.ts';
import type { Delivery, QueueKind } from '../lib/model/delivery.ts';
import type { Settlement } from '../lib/model/outcome.ts';
import type { RecordedMessage } from '../lib/request/recording.ts';
import { attemptPipeline, readPipeline, type AttemptContext } from './attempt.ts';

export interface ReplayContext {
  /** What the attempts of one queue need, with this clock (ms since the epoch). */
  readonly contextFor: (queue: Delivery['queue'], now: () => number) => AttemptContext;
  /** Stop before anything is reserved or run. */
  readonly dryRun: boolean;
  /** Measure lifetimes from the real time instead of the time of the recording. */
  readonly realClock: boolean;
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

const deliveryOf = (
  message: RecordedMessage,
  index: number,
  onSettled: (settlement: Settlement) => void,
): Delivery => ({
  queue: { kind: kindOf(message.queue), name: message.queue },
  id: `message ${String(index + 1)}`,
  body: message.body,
  attemptsBefore: 0,
  history: [],
  receivedAtMs: message.atMs,
  lost: new AbortController().signal,
  begin: () => Promise.resolve(),
  settle: settlement => {
    onSettled(settlement);
    return Promise.resolve();
  },
});

/** One replayed message and what its queue would have been told. */
export interface Replayed extends Settled {
  readonly index: number;
}

/**
 * Feed recorded messages through the pipeline that live ones go through. Each message's clock starts at the time of its
 * recording, so that a request is as old as it was then.
 */
export const replayMessages = (messages: Observable<RecordedMessage>, use: ReplayContext): Observable<Replayed> =>
  messages.pipe(
    map((message, index) => ({ message, index })),
    mergeMap(({ message, index }) => {
      const startedAtMs = Date.now();
      const now = use.realClock ? Date.now : () => message.atMs + (Date.now() - startedAtMs);
      const delivery = deliveryOf(message, index, () => undefined);
      const context = use.contextFor(delivery.queue, now);
      const pulled: PulledDelivery = { delivery, credit: noCredit };
      return of(pulled).pipe(
        use.dryRun ? readPipeline(context) : attemptPipeline(context),
        map(settled => ({ ...settled, index })),
      );
    }, use.parallel),
  );

/** The reason with which a replay that is interrupted ends its attempts. */
export const interrupted = (): AttemptError => new AttemptError('stopping', 'the replay was interrupted');
