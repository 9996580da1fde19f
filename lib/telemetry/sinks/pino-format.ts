import type { Level } from '../events.ts';
import type { EventFormat } from '../json-format.ts';

const numbers: Readonly<Record<Level, number>> = { debug: 20, info: 30, warn: 40, error: 50 };

/** Events as pino's transports expect log lines: level and time as numbers, `msg`. */
export const pinoFormat =
  (runner: string): EventFormat =>
  ({ atMs, level, event, queue, experiment, project, attempt, fields }) =>
    JSON.stringify({
      ...fields,
      level: numbers[level],
      time: atMs,
      pid: process.pid,
      hostname: runner,
      msg: event,
      event,
      queue,
      experiment,
      project,
      attempt,
    });
