import { createHash } from 'node:crypto';
import type { GetMessage } from 'amqplib';
import type { DeadLetter } from '../dead-letters.ts';
import { pastOfRequeued, readPast } from '../history.ts';
import { headerNames } from './message.ts';

type Headers = Readonly<Record<string, unknown>>;
export const headersOf = ({ properties }: GetMessage): Headers => properties.headers ?? {};

interface Death {
  readonly queue?: unknown;
  readonly reason?: unknown;
  readonly time?: { readonly value?: unknown };
}

/** How the broker moved a message out of `queue`, where it did. Source: RabbitMQ, "Dead Letter Exchanges", x-death. */
const deathIn = (headers: Headers, queue: string): Death | undefined => {
  const deaths = headers['x-death'];
  return Array.isArray(deaths) ? (deaths as Death[]).find(death => death.queue === queue) : undefined;
};

/** Whether a message in a queue that a dead-letter policy leads to came out of `queue`: a runner put it there, or the broker. */
export const diedIn = (message: GetMessage, queue: string): boolean => {
  const headers = headersOf(message);
  return headers['studioml-queue'] === queue || deathIn(headers, queue) !== undefined;
};

const text = (value: unknown, otherwise: string): string => (typeof value === 'string' ? value : otherwise);

/** Letters have no name of their own: what they hold names them. `seen` counts those that are the same. */
const idOf = (message: GetMessage, seen: Map<string, number>): string => {
  const headers = headersOf(message);
  const told = ['studioml-history', 'studioml-reason', 'x-death'].map(name => headers[name] ?? null);
  const id = createHash('sha256').update(message.content).update(JSON.stringify(told)).digest('hex').slice(0, 12);
  const count = (seen.get(id) ?? 0) + 1;
  seen.set(id, count);
  return count === 1 ? id : `${id}-${String(count)}`;
};

/** A message that lies in `place` as a dead letter of `queue`. */
export const letterOf = (message: GetMessage, queue: string, place: string, seen: Map<string, number>): DeadLetter => {
  const headers = headersOf(message);
  const { history } = readPast({ history: headers['studioml-history'] });
  const death = deathIn(headers, queue);
  const saidAtMs = Date.parse(history.at(-1)?.at ?? '');
  const diedAtMs = Number(death?.time?.value) * 1000;
  const atMs = [saidAtMs, diedAtMs].find(ms => Number.isFinite(ms));
  return {
    kind: 'rabbitmq',
    queue: text(headers['studioml-queue'], queue),
    place,
    id: idOf(message, seen),
    reason: text(headers['studioml-reason'], text(death?.reason, 'unknown')),
    message: text(
      headers['studioml-message'],
      "moved by the queue's own dead-letter policy; the runner's event `settled` says why",
    ),
    history,
    atMs,
    body: message.content,
  };
};

const countNames = new Set(['studioml-attempt', 'studioml-history']);

/** The headers of a letter that goes back: what the client gave it, with the count of its attempts or, as new, when it was buried. */
export const requeuedHeaders = (message: GetMessage, letter: DeadLetter, counted: boolean): Record<string, unknown> => {
  const { buriedAtMs } = pastOfRequeued(letter, counted);
  return {
    ...Object.fromEntries(
      Object.entries(headersOf(message)).filter(([name]) =>
        countNames.has(name) ? counted : !/^(studioml-|x-death$|x-(first|last)-death-|x-delivery-count$)/.test(name),
      ),
    ),
    ...(buriedAtMs === undefined ? {} : { [headerNames.buriedAt]: buriedAtMs }),
  };
};
