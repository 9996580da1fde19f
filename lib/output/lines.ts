import { Writable } from 'node:stream';
import split2 from 'split2';
import type { LineBlock } from '../model/attempt.ts';

export interface LineOptions {
  /** A line is cut after this many bytes; what follows up to its newline is passed over. */
  readonly maxLineBytes?: number;
  /** Read once a chunk, for all lines that end in it. Milliseconds since the epoch. */
  readonly now: () => number;
  /** Gets each chunk as it came, before its lines are read; the next chunk is taken when it says so. */
  readonly copyTo?: (chunk: Buffer, next: () => void) => void;
  /** Gets the lines that end in a chunk, all at once, before the first of them; and undefined after the last. */
  readonly onBlock?: (block: LineBlock | undefined, atMs: number) => void;
}

const DEFAULT_MAX_LINE_BYTES = 1024 * 1024;
/** More than one chunk of a pipe, so that its source is not stopped and started at every chunk. */
const BUFFER_BYTES = 256 * 1024;
/** A line that came in more pieces than this is in no block. */
const MAX_PIECES = 16;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** Stands at the end of a line that was cut: it is seen, and such a line is never taken for JSON. */
const CUT_MARK = '…';

/**
 * Lines of a stream of bytes. Each one goes to `onLine` without its line ending, from within split2's mapper: nothing is pushed
 * for it. Bytes that are no UTF-8 become U+FFFD. A line without end takes no more memory than `maxLineBytes`.
 * In: chunks of bytes. Errors: those that `onLine` throws.
 */
export const lines = (onLine: (line: string, atMs: number) => void, options: LineOptions): Writable => {
  const maxLineBytes = options.maxLineBytes ?? DEFAULT_MAX_LINE_BYTES;
  let atMs = 0;
  /** Bytes seen of the line that has not ended yet. */
  let openBytes = 0;

  /** A line as it is told: without its ending, cut where it is too long. */
  const told = (line: string): string => {
    const text = line.charCodeAt(line.length - 1) === CARRIAGE_RETURN ? line.slice(0, -1) : line;
    return text.length < maxLineBytes ? text : text.slice(0, maxLineBytes) + CUT_MARK;
  };
  const onSplit = (line: string): undefined => {
    onLine(told(line), atMs);
  };
  const splitter = split2('\n', onSplit, { highWaterMark: BUFFER_BYTES });

  /** What of a chunk belongs to a line that is not too long yet. */
  const clip = (chunk: Buffer): Buffer[] => {
    const first = chunk.indexOf(NEWLINE);
    const room = Math.max(0, maxLineBytes - openBytes);
    if (first === -1) {
      openBytes += chunk.length;
      return room === 0 ? [] : [chunk.subarray(0, room)];
    }
    openBytes = chunk.length - 1 - chunk.lastIndexOf(NEWLINE);
    return first <= room ? [chunk] : [chunk.subarray(0, room), chunk.subarray(first)];
  };

  /** What the splitter got of the line that has not ended yet. */
  let pieces: Buffer[] = [];

  /** The lines that end in what the splitter gets now. A newline is only in the last part. */
  const blockOf = (parts: readonly Buffer[]): LineBlock | undefined => {
    const last = parts.at(-1);
    const end = last?.lastIndexOf(NEWLINE) ?? -1;
    if (last === undefined || end === -1) {
      if (pieces.length <= MAX_PIECES) pieces.push(...parts);
      return undefined;
    }
    const whole = [...pieces, ...parts.slice(0, -1), last.subarray(0, end)];
    const complete = pieces.length <= MAX_PIECES;
    pieces = end + 1 < last.length ? [last.subarray(end + 1)] : [];
    if (!complete) return undefined;
    return {
      bytes: whole.reduce((sum, part) => sum + part.length, 0),
      read: () => Buffer.concat(whole).toString().split('\n').map(told),
    };
  };

  /** Split what came; `next` is called when more may come. */
  const split = (parts: readonly Buffer[], next: () => void): void => {
    const block = options.onBlock && blockOf(parts);
    if (block) options.onBlock?.(block, atMs);
    for (const part of parts.slice(0, -1)) splitter.write(part);
    const last = parts.at(-1);
    if (last === undefined) next();
    else splitter.write(last, next);
    if (block) options.onBlock?.(undefined, atMs);
  };

  return new Writable({
    highWaterMark: BUFFER_BYTES,
    write(chunk: Buffer, _encoding, done) {
      // The lines are read while the copy is written.
      let waiting = 2;
      const next = () => {
        waiting -= 1;
        if (waiting === 0) done();
      };
      if (options.copyTo) options.copyTo(chunk, next);
      else next();
      atMs = options.now();
      split(clip(chunk), next);
    },
    final(done) {
      splitter.once('finish', done).end();
    },
    destroy(error, done) {
      splitter.destroy();
      done(error);
    },
  });
};
