import { isUtf8 } from 'node:buffer';
import { addAbortSignal, pipeline, type Readable } from 'node:stream';
import split2 from 'split2';
import { messageOf } from '../errors.ts';
import { isJsonObject, type JsonObject } from './json-body.ts';
import { withoutUndefined } from './without-undefined.ts';

/** One delivery of a recording. */
export interface RecordedMessage {
  /** When it was recorded, ms since the epoch: lifetimes are measured from here. */
  readonly atMs: number;
  /** The queue's short name. */
  readonly queue: string;
  readonly body: Buffer;
  readonly headers?: JsonObject;
  readonly contentType?: string;
  /** How long after the one before it was delivered. */
  readonly afterMs?: number;
}

/** Thrown when: a line of a recording is not a delivery. The message names recording, line and what was expected. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError';
}

/** A body of the largest size in base64, with room for headers. */
const maxLineCharacters = 32 * 1024 * 1024;

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

const isText = (value: unknown): value is string => typeof value === 'string';
const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;

/** The value of one member, or a fault that names it. */
const member = <T>(row: JsonObject, name: string, expected: string, read: (value: unknown) => T | undefined): T => {
  const value = read(row[name] ?? undefined);
  if (value === undefined) throw new Error(`"${name}" is ${name in row ? 'wrong' : 'missing'}; expected ${expected}`);
  return value;
};

const optional = <T>(...[row, name, expected, read]: Parameters<typeof member<T>>): T | undefined =>
  (row[name] ?? undefined) === undefined ? undefined : member(row, name, expected, read);

const readTime = (value: unknown): number | undefined => {
  if (isAmount(value)) return value * 1000;
  const ms = isText(value) && rfc3339.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(ms) ? undefined : ms;
};

const readBase64 = (value: unknown): Buffer | undefined =>
  isText(value) && value.length % 4 === 0 && base64.test(value) ? Buffer.from(value, 'base64') : undefined;

const readBody = (row: JsonObject): Buffer => {
  if ('body' in row === 'bodyBase64' in row) throw new Error('expected one of "body" and "bodyBase64"');
  return 'body' in row
    ? Buffer.from(member(row, 'body', 'a string', value => (isText(value) ? value : undefined)))
    : member(row, 'bodyBase64', 'base64', readBase64);
};

const readRow = (line: string): RecordedMessage => {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch {
    // The engine's words quote the line, which may hold secrets.
    throw new Error('not JSON; expected one JSON object a line');
  }
  if (!isJsonObject(row)) throw new Error('expected a JSON object with at, queue and body');
  return withoutUndefined({
    atMs: member(row, 'at', 'an RFC 3339 time such as 2026-01-31T12:00:00Z, or seconds since the epoch', readTime),
    queue: member(row, 'queue', "a queue's name", value => (isText(value) && value !== '' ? value : undefined)),
    body: readBody(row),
    headers: optional(row, 'headers', 'an object', value => (isJsonObject(value) ? value : undefined)),
    contentType: optional(row, 'contentType', 'a string', value => (isText(value) ? value : undefined)),
    afterMs: optional(row, 'afterMs', 'a number of ms', value => (isAmount(value) ? value : undefined)),
  });
};

/**
 * The deliveries of a recording (NDJSON), in order, read as they are asked for. Empty lines are passed over. The source is
 * destroyed when reading ends, whatever the end.
 *
 * Errors: RecordingError at the first line that is not a delivery; the source's own; the signal's reason.
 *
 * @param name what messages call the recording
 */
export async function* readRecording(
  source: Readable,
  name: string,
  signal?: AbortSignal,
): AsyncGenerator<RecordedMessage, void, undefined> {
  let line = 0;
  const faultAt = (at: number, what: string) => new RecordingError(`${name}, line ${at}: ${what}`);
  // A fault travels as a row, so that the deliveries before it are not lost.
  const mapper = (text: string): RecordedMessage | RecordingError | undefined => {
    line += 1;
    if (text.trim() === '') return undefined;
    try {
      return readRow(text);
    } catch (error) {
      return faultAt(line, messageOf(error));
    }
  };
  const rows = split2(mapper, { maxLength: maxLineCharacters, readableHighWaterMark: 1 });
  if (signal !== undefined) addAbortSignal(signal, rows);
  // Its end and its errors reach the loop below through `rows`.
  pipeline(source, rows, () => undefined);
  try {
    for await (const row of rows as AsyncIterable<RecordedMessage | RecordingError>) {
      if (row instanceof RecordingError) throw row;
      yield row;
    }
  } catch (error) {
    signal?.throwIfAborted();
    const tooLong = error instanceof Error && error.message === 'maximum buffer reached';
    throw tooLong ? faultAt(line + 1, `longer than ${maxLineCharacters} characters`) : error;
  }
}

/** A delivery as one line of a recording, newline included. A body that is not UTF-8 is written in base64. */
export const formatRecorded = ({ atMs, queue, body, headers, contentType, afterMs }: RecordedMessage): string => {
  const text = isUtf8(body) ? { body: body.toString('utf8') } : { bodyBase64: body.toString('base64') };
  return `${JSON.stringify({ at: new Date(atMs).toISOString(), queue, ...text, headers, contentType, afterMs })}\n`;
};
