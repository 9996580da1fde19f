import { Writable } from 'node:stream';
import split2 from 'split2';

export interface LineOptions {
  /** A line is cut after this many bytes; what follows up to its newline is passed over. */
  readonly maxLineBytes?: number;
  /** Read once a chunk, for all lines that end in it. Milliseconds since the epoch. */
  readonly now: () => number;
  /** Gets each chunk as it came, before its lines are read; the next chunk is taken when it says so. */
  readonly copyTo?: (chunk: Buffer, next: () => void) => void;
}

const DEFAULT_MAX_LINE_BYTES = 1024 * 1024;
/** More than one chunk of a pipe, so that its source is not stopped and started at every chunk. */
const BUFFER_BYTES = 256 * 1024;
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

  const onSplit = (line: string): undefined => {
    const text = line.charCodeAt(line.length - 1) === CARRIAGE_RETURN ? line.slice(0, -1) : line;
    onLine(text.length < maxLineBytes ? text : text.slice(0, maxLineBytes) + CUT_MARK, atMs);
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
      const parts = clip(chunk);
      const last = parts.pop();
      for (const part of parts) splitter.write(part);
      if (last === undefined) next();
      else splitter.write(last, next);
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
