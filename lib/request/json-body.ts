import { isUtf8 } from 'node:buffer';
import { AttemptError } from '../errors.ts';

/** An object as JSON.parse gives it. */
export type JsonObject = Readonly<Record<string, unknown>>;

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The largest message that is read unless the caller says otherwise, sealed or clear. */
export const defaultMaxMessageBytes = 16 * 1024 * 1024;

export const tooLarge = (bytes: number, maxBytes: number): AttemptError =>
  new AttemptError('too-large', 'the message is larger than any request', { bytes, maxBytes });

/** Objects and lists within each other: what walks a request needs no more stack than this. */
const maxDepth = 100;

interface Shape {
  readonly depth: number;
  readonly unclosed: number;
  readonly inString: boolean;
}

const quoteByte = 0x22;
const backslash = 0x5c;

/** How deep a text is nested, and whether it ends before it is whole: known before anything is built from it. */
const shapeOf = (body: Buffer): Shape => {
  let open = 0;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at];
    if (inString) {
      if (byte === backslash) at += 1;
      else if (byte === quoteByte) inString = false;
    } else if (byte === quoteByte) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      open += 1;
      if (open > depth) depth = open;
    } else if (byte === 0x7d || byte === 0x5d) open -= 1;
  }
  return { depth, unclosed: open, inString };
};

/** What is wrong, without the words of the text: it may hold secrets, and the engine's own message quotes it. */
const faultOf = (error: unknown, text: string, shape: Shape): string => {
  if (text.trim() === '') return 'it is empty';
  if (shape.inString) return `it ends early, after ${text.length} characters, inside a string`;
  if (shape.unclosed > 0) return `it ends early, after ${text.length} characters, ${shape.unclosed} levels deep`;
  const position = / at position (\d+) \(line \d+ column \d+\)$/.exec((error as Error).message)?.[1];
  return position === undefined ? 'it breaks the grammar of JSON' : `fault at character ${position}`;
};

// 3.10 as a number is 3.1, which is another Python: its digits are kept where that matters.
const versionEndsInZero = /"pythonver"\s*:\s*\d+\.\d*0\b/;
const keepVersionDigits = (name: string, value: unknown, context: { source?: string }): unknown =>
  name === 'pythonver' && typeof value === 'number' ? (context.source ?? value) : value;

const decode = (text: string): unknown =>
  versionEndsInZero.test(text)
    ? JSON.parse(text, keepVersionDigits as (name: string, value: unknown) => unknown)
    : JSON.parse(text);

/**
 * The JSON value of a message.
 *
 * Errors: AttemptError `too-large` (nothing is parsed), `malformed` (not UTF-8, not JSON, cut off), `not-a-request` (nested
 * deeper than any request). None of them quotes the message.
 */
export const parseJsonBody = (body: Buffer, maxBytes: number): unknown => {
  const bytes = body.length;
  if (bytes > maxBytes) throw tooLarge(bytes, maxBytes);
  if (!isUtf8(body)) throw new AttemptError('malformed', 'the message is not UTF-8; expected JSON in UTF-8', { bytes });
  const shape = shapeOf(body);
  if (shape.depth > maxDepth) {
    const levels = `nested ${shape.depth} levels deep; expected ${maxDepth} at most`;
    throw new AttemptError('not-a-request', `not a request: the message is ${levels}`, { bytes });
  }
  const text = body.toString('utf8').replace(/^\uFEFF/, '');
  try {
    return decode(text);
  } catch (error) {
    throw new AttemptError('malformed', `the message is not JSON: ${faultOf(error, text, shape)}`, { bytes });
  }
};
