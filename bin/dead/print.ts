import type { DeadLetter } from '../../lib/queues/dead-letters.ts';
import { defaultMaxMessageBytes, isJsonObject, parseJsonBody, type JsonObject } from '../../lib/request/json-body.ts';
import { withoutCredentials } from '../../lib/request/without-credentials.ts';
import { fit, plural, printable } from '../../lib/telemetry/person-format.ts';

/** What is known of a letter without its body. */
export interface Summary {
  readonly kind: string;
  readonly queue: string;
  readonly id: string;
  readonly at: string | null;
  readonly attempts: number;
  readonly reason: string;
  readonly experiment: string | null;
  readonly message: string;
  readonly place: string;
}

/** The JSON object in a body; undefined where there is none. */
const objectIn = (body: Buffer): JsonObject | undefined => {
  try {
    const value = parseJsonBody(body, defaultMaxMessageBytes);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

const keyOf = (body: Buffer): string | null => {
  const experiment = objectIn(body)?.['experiment'];
  const key = isJsonObject(experiment) ? experiment['key'] : undefined;
  return typeof key === 'string' ? key : null;
};

export const summaryOf = (letter: DeadLetter): Summary => ({
  kind: letter.kind,
  queue: letter.queue,
  id: letter.id,
  at: letter.atMs === undefined ? null : new Date(letter.atMs).toISOString(),
  attempts: letter.history.length,
  reason: letter.reason,
  experiment: keyOf(letter.body),
  message: letter.message,
  place: letter.place,
});

/** A letter whole, as JSON: its body without credentials, where it is JSON at all. */
export const wholeOf = (letter: DeadLetter): JsonObject => {
  const body = objectIn(letter.body);
  return {
    ...summaryOf(letter),
    history: letter.history,
    bodyBytes: letter.body.length,
    body:
      body === undefined
        ? 'not shown: it is no JSON object, so credentials in it could not be told; --raw prints it as it is'
        : withoutCredentials(body),
  };
};

const heads = ['ID', 'WHEN', 'ATTEMPTS', 'REASON', 'EXPERIMENT', 'WHY'] as const;
const experimentWidth = 30;
/** A row that is too long for the terminal is broken before its EXPERIMENT. */
const breakAt = 4;

const cellsOf = (one: Summary): readonly string[] => [
  printable(one.id),
  one.at?.replace(/\.\d+Z$/, 'Z') ?? '-',
  String(one.attempts),
  printable(one.reason),
  fit(one.experiment ?? '-', Math.min(experimentWidth, printable(one.experiment ?? '-').length)),
  printable(one.message),
];

/** The letters of one queue as a table for a person. @param columns the width of the terminal; absent: a letter is one line */
export const tableOf = (queue: string, letters: readonly Summary[], columns = Infinity): string => {
  const rows = [heads, ...letters.map(cellsOf)];
  const widths = heads.map((_, at) => Math.max(...rows.map(row => [...(row[at] ?? '')].length)));
  const joined = (cells: readonly string[], from: number) =>
    cells
      .map((cell, at) => cell.padEnd(widths[from + at] ?? 0))
      .join('  ')
      .trimEnd();
  const isWide = 2 + Math.max(...rows.map(row => joined(row, 0).length)) > columns;
  const lines = rows.flatMap(row =>
    isWide
      ? [`  ${joined(row.slice(0, breakAt), 0)}`, `    ${joined(row.slice(breakAt), breakAt)}`]
      : [`  ${joined(row, 0)}`],
  );
  return [`${printable(queue)}: ${plural(letters.length, 'dead letter')}`, ...lines].join('\n');
};
