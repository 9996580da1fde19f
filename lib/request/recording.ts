import { isUtf8 } from 'node:buffer';
import { addAbortSignal, type Readable } from 'node:stream';
import ndjson from 'ndjson';
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
const maxLineBytes = 32 * 1024 * 1024;
const NEWLINE = 0x0a;
const SPACE = 0x20;

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

const readRow = (row: unknown): RecordedMessage => {
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

/** A piece of a line, with its newline where it is the last one. */
const piecesOf = async function* (source: Readable): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of source as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      yield chunk.subarray(start, end + 1);
      start = end + 1;
    }
    if (start < chunk.length) yield chunk.subarray(start);
  }
  yield Buffer.from('\n');
};

/** Reads the value of each line. Its own words quote the line, which may hold secrets, so they are not told. */
const createParser = (): ((piece: Buffer) => unknown) => {
  const rows = ndjson.parse();
  let failed = false;
  rows.on('error', () => (failed = true));
  return piece => {
    rows.write(piece);
    if (failed) throw new Error('not JSON; expected one JSON object a line');
    return rows.read() as unknown;
  };
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
  if (signal !== undefined) addAbortSignal(signal, source);
  const parse = createParser();
  let line = 1;
  let lineBytes = 0;
  let blank = true;
  const readPiece = (piece: Buffer): RecordedMessage | undefined => {
    const ends = piece.at(-1) === NEWLINE;
    lineBytes += piece.length;
    if (lineBytes > maxLineBytes) throw new Error(`longer than ${maxLineBytes} bytes`);
    blank &&= !piece.some(byte => byte > SPACE);
    const row = blank ? undefined : parse(piece);
    return ends && !blank ? readRow(row) : undefined;
  };
  try {
    for await (const piece of piecesOf(source)) {
      let message: RecordedMessage | undefined;
      try {
        message = readPiece(piece);
      } catch (error) {
        throw new RecordingError(`${name}, line ${line}: ${messageOf(error)}`);
      }
      if (message !== undefined) yield message;
      if (piece.at(-1) === NEWLINE) [line, lineBytes, blank] = [line + 1, 0, true];
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** A delivery as one line of a recording, newline included. A body that is not UTF-8 is written in base64. */
export const formatRecorded = ({ atMs, queue, body, headers, contentType, afterMs }: RecordedMessage): string => {
  const text = isUtf8(body) ? { body: body.toString('utf8') } : { bodyBase64: body.toString('base64') };
  return `${JSON.stringify({ at: new Date(atMs).toISOString(), queue, ...text, headers, contentType, afterMs })}\n`;
};
