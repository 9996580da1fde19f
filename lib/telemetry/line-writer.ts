import { Socket } from 'node:net';
import { close as closeFd, constants, fstatSync, openSync, write as writeFd } from 'node:fs';
import { createFileTarget } from './file-target.ts';

/** Lines on their way to a file, a pipe or a terminal; bounded, never waited for. */
export interface LineWriter {
  /** Take a whole line with its newline. False: there is no room for it, it is dropped. Never throws, never blocks. */
  readonly write: (line: string) => boolean;
  /** Write out what was taken, for `timeoutMs` at most. Resolves with the number of lines that could not be written. */
  readonly close: (timeoutMs: number) => Promise<number>;
  /** Of a file: write to the one that has its name from now on. */
  readonly reopen?: () => void;
}

export interface LineWriterOptions {
  /** Bytes that may wait for a slow reader. */
  readonly maxBytes: number;
  /** Writing failed. It is tried again, nothing of what was taken is lost by that. */
  readonly onError: (error: Error) => void;
  /** Something was written. */
  readonly onOk?: () => void;
  /** So many lines of what was taken are lost for good. */
  readonly onLost?: (lines: number, error: Error) => void;
}

const busyRetryMs = 20;
const errorRetryMs = 1000;

/**
 * A descriptor of the same pipe or terminal that answers EAGAIN instead of blocking. It is opened anew, since the flag on a
 * shared one would be set for every process that has it. Files and systems without /proc keep the descriptor itself: a thread
 * of the pool writes to it.
 */
const nonBlocking = (fd: number): number => {
  const stat = fstatSync(fd);
  if (!stat.isFIFO() && !stat.isCharacterDevice()) return fd;
  try {
    return openSync(`/proc/self/fd/${String(fd)}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return fd;
  }
};

type Write = (bytes: Buffer, from: number, done: (error: NodeJS.ErrnoException | null, count: number) => void) => void;

/**
 * How bytes get to a descriptor. A socket (the journal's, a parent's) can't be opened anew: the event loop writes to it, since a
 * thread that is stuck in a write would keep the process from ending.
 */
const writeTo = (fd: number): Write => {
  if (!fstatSync(fd).isSocket())
    return (bytes, from, done) => {
      writeFd(fd, bytes, from, done);
    };
  const socket = new Socket({ fd, readable: false, writable: true }).unref();
  // Each write's callback tells it too.
  socket.on('error', () => undefined);
  return (bytes, from, done) => {
    socket.write(bytes.subarray(from), error => {
      done(error ?? null, bytes.length - from);
    });
  };
};

/**
 * Write lines to an open descriptor, or to a file, which is appended to. Lines that come while a write is under way go out
 * together with the next one. A file that was renamed or removed is opened anew within a second, or at `reopen`.
 * Errors: what opening the file says (ENOENT, EACCES, ENXIO for a pipe that nobody reads).
 */
export const createLineWriter = (
  target: number | string,
  { maxBytes, onError, onOk }: LineWriterOptions,
): LineWriter => {
  const file = typeof target === 'string' ? createFileTarget(target) : undefined;
  const given = typeof target === 'number' ? nonBlocking(target) : -1;
  const fixed = typeof target === 'number' ? writeTo(given) : undefined;
  const write: Write = (bytes, from, done) => {
    if (fixed) fixed(bytes, from, done);
    else writeFd(file?.fd ?? -1, bytes, from, done);
  };
  let reopens = false;
  let lines: { readonly text: string; readonly bytes: number }[] = [];
  let waitingBytes = 0;
  let batch: { readonly bytes: Buffer; readonly lines: number; sent: number } | undefined;
  let retry: NodeJS.Timeout | undefined;
  let onIdle: (() => void) | undefined;
  let choked = false;
  let closed = false;

  const failed = (error: NodeJS.ErrnoException): void => {
    const busy = error.code === 'EAGAIN';
    if (!busy) {
      onError(error);
      onIdle?.();
    }
    if (!closed) retry = setTimeout(pump, busy ? busyRetryMs : errorRetryMs).unref();
  };

  const pump = (): void => {
    retry = undefined;
    if (batch === undefined) {
      if (lines.length === 0) {
        onIdle?.();
        return;
      }
      file?.refresh(reopens);
      reopens = false;
      batch = { bytes: Buffer.from(lines.map(line => line.text).join('')), lines: lines.length, sent: 0 };
      lines = [];
    }
    const writing = batch;
    write(writing.bytes, writing.sent, (error, count) => {
      if (error !== null) {
        failed(error);
        return;
      }
      writing.sent += count;
      if (writing.sent === writing.bytes.length) {
        waitingBytes -= writing.bytes.length;
        batch = undefined;
        onOk?.();
      }
      if (!closed) pump();
    });
  };

  return {
    write: text => {
      const bytes = Buffer.byteLength(text);
      // Once full, half of the room must be free again: otherwise a slow reader would be told lost and back all the time.
      choked = waitingBytes + bytes > (choked ? maxBytes / 2 : maxBytes);
      if (closed || choked) return false;
      waitingBytes += bytes;
      lines.push({ text, bytes });
      if (batch === undefined && lines.length === 1) pump();
      return true;
    },
    close: async timeoutMs => {
      if (closed) return 0;
      if (waitingBytes > 0)
        await new Promise<void>(resolve => {
          const timer = setTimeout(resolve, timeoutMs);
          onIdle = () => {
            clearTimeout(timer);
            resolve();
          };
          // What waits for another try gets it now.
          if (retry !== undefined) {
            clearTimeout(retry);
            pump();
          }
        });
      closed = true;
      const lost = (batch?.lines ?? 0) + lines.length;
      // With a write still under way the descriptor stays open: its number must not become somebody else's file.
      const fd = file?.fd ?? given;
      if (fd !== target && lost === 0) await new Promise<void>(resolve => closeFd(fd, () => resolve()));
      return lost;
    },
    ...(file && {
      reopen: () => {
        if (batch === undefined) file.refresh(true);
        else reopens = true;
      },
    }),
  };
};
