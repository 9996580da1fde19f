import type { DeadLetter } from '../../lib/queues/dead-letters.ts';
import { defaultMaxMessageBytes, isJsonObject, parseJsonBody, type JsonObject } from '../../lib/request/json-body.ts';
import { withoutCredentials } from '../../lib/request/without-credentials.ts';
import { fit, printable } from '../../lib/telemetry/person-format.ts';

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

const heads = { id: 'ID', at: 'WHEN', attempts: 'ATTEMPTS', reason: 'REASON', experiment: 'EXPERIMENT' };
const widths = { at: 20, attempts: 8, reason: 18, experiment: 30 };

/** The letters of one queue as a table for a person. */
export const tableOf = (queue: string, letters: readonly Summary[]): string => {
  const idWidth = Math.max(12, ...letters.map(one => printable(one.id).length));
  const line = (id: string, at: string, attempts: string, reason: string, experiment: string, message: string) =>
    [
      id.padEnd(idWidth),
      at.padEnd(widths.at),
      attempts.padEnd(widths.attempts),
      reason.padEnd(widths.reason),
      fit(experiment, widths.experiment),
      message,
    ]
      .join('  ')
      .trimEnd();
  const rows = letters.map(one =>
    line(
      printable(one.id),
      one.at?.replace(/\.\d+Z$/, 'Z') ?? '-',
      String(one.attempts),
      printable(one.reason),
      one.experiment ?? '-',
      printable(one.message),
    ),
  );
  const count = `${String(letters.length)} dead letter${letters.length === 1 ? '' : 's'}`;
  const head = line(heads.id, heads.at, heads.attempts, heads.reason, heads.experiment, 'WHY');
  return [`${printable(queue)}: ${count}`, ...[head, ...rows].map(row => `  ${row}`)].join('\n');
};
