import { asError } from '../../errors.ts';
import type { LineWriter, LineWriterOptions } from '../line-writer.ts';

/** A batch that its receiver will never take: it is dropped, not tried again. */
export class RefusedBatch extends Error {
  override readonly name = 'RefusedBatch';
}

/** Where lines go: one batch at a time. */
export interface Carrier {
  /** Resolves when the batch was taken over. Errors: it is tried again, or dropped where it is a RefusedBatch. */
  send(lines: readonly string[], signal: AbortSignal): Promise<void>;
  /** Lines that were sent and have to be sent again. */
  readonly unsure?: () => number;
  readonly close?: () => void;
}

export interface SenderOptions extends LineWriterOptions {
  /** A batch has no more bytes than this, or one line. */
  readonly batchBytes: number;
  /** How long a line waits for others to come along, ms. */
  readonly lingerMs?: number;
  /** Until the second try, ms; doubles up to `maxRetryMs`. */
  readonly retryMs?: number;
  readonly maxRetryMs?: number;
}

/** Lines on their way over a network. `nudge`: there is something to send again. */
export interface Sender extends LineWriter {
  readonly nudge: () => void;
}

/**
 * A bounded queue of lines before a carrier: batches in their order, each until it was taken, with backoff between tries.
 */
export const createSender = (carrier: Carrier, options: SenderOptions): Sender => {
  const { maxBytes, batchBytes, lingerMs = 0, retryMs = 500, maxRetryMs = 30_000, onError, onOk, onLost } = options;
  const waiting: string[] = [];
  let waitingBytes = 0;
  let batch: readonly string[] | undefined;
  let choked = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let sending = false;
  let tries = 0;
  let onIdle: (() => void) | undefined;
  const ending = new AbortController();

  const nextBatch = (): readonly string[] => {
    let bytes = 0;
    let count = 0;
    for (const line of waiting) {
      const more = Buffer.byteLength(line);
      if (count > 0 && bytes + more > batchBytes) break;
      bytes += more;
      count += 1;
    }
    return waiting.splice(0, count);
  };
  const done = (lines: readonly string[]) => {
    batch = undefined;
    for (const line of lines) waitingBytes -= Buffer.byteLength(line);
    tries = 0;
  };
  const wake = (ms: number) => {
    if (closed) return;
    timer ??= setTimeout(() => void pump(), ms).unref();
  };
  const attempt = async (lines: readonly string[]): Promise<boolean> => {
    try {
      await carrier.send(lines, ending.signal);
      done(lines);
      onOk?.();
      return true;
    } catch (error) {
      if (ending.signal.aborted) return false;
      if (error instanceof RefusedBatch) {
        done(lines);
        onLost?.(lines.length, error);
        return true;
      }
      tries += 1;
      onError(asError(error));
      return false;
    }
  };
  const pump = async (): Promise<void> => {
    timer = undefined;
    if (sending) return;
    sending = true;
    let goesOn = true;
    while (goesOn && (batch !== undefined || waiting.length > 0 || (carrier.unsure?.() ?? 0) > 0)) {
      batch ??= nextBatch();
      goesOn = await attempt(batch);
    }
    sending = false;
    if (goesOn) onIdle?.();
    else wake(Math.min(maxRetryMs, retryMs * 2 ** (tries - 1)));
  };

  return {
    nudge: () => {
      wake(0);
    },
    write: line => {
      const bytes = Buffer.byteLength(line);
      // Once full, half of the room must be free again: otherwise a slow reader would be told lost and back all the time.
      choked = waitingBytes + bytes > (choked ? maxBytes / 2 : maxBytes);
      if (closed || choked) return false;
      waitingBytes += bytes;
      waiting.push(line);
      if (!sending) wake(lingerMs);
      return true;
    },
    close: async timeoutMs => {
      if (closed) return 0;
      if (waitingBytes > 0 || (carrier.unsure?.() ?? 0) > 0)
        await new Promise<void>(resolve => {
          const late = setTimeout(resolve, timeoutMs);
          onIdle = () => {
            clearTimeout(late);
            resolve();
          };
          clearTimeout(timer);
          void pump();
        });
      closed = true;
      clearTimeout(timer);
      ending.abort(new Error('the sink is closed'));
      const lost = (batch?.length ?? 0) + waiting.length + (carrier.unsure?.() ?? 0);
      carrier.close?.();
      return lost;
    },
  };
};
