import type { RunnerEvent } from './events.ts';

/** An event as one line of text, without its newline. */
export type EventFormat = (event: RunnerEvent) => string;

const present = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));

/**
 * Events as JSON objects: `time` (RFC 3339), `level`, `event`, `runner`, whom it is about, then the event's own fields. What is
 * null or undefined is left out.
 * @param runner the host's name
 */
export const jsonFormat =
  (runner: string): EventFormat =>
  ({ atMs, level, event, queue, experiment, project, attempt, fields }) =>
    JSON.stringify({
      time: new Date(atMs).toISOString(),
      level,
      event,
      runner,
      ...present({ queue, experiment, project, attempt }),
      ...present(fields),
    });
