import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '../errors.ts';
import { notNeeded, orAborted, sleep } from '../flow/wait.ts';
import type { LineBlock, RunningAttempt } from '../model/attempt.ts';
import type { Exit } from '../model/outcome.ts';
import { causeOfWriteFailure } from './end-of-run.ts';
import { lines } from './lines.ts';
import { OutputFile } from './output-file.ts';
import { redactStream, searchFor } from './redact-stream.ts';
import { createTail } from './tail.ts';

export interface ObserveContext {
  /** Milliseconds since the epoch, fractions count. */
  readonly now: () => number;
  /** How long streams are read that are held open after the end, ms. */
  readonly graceMs: number;
}

/** How a run ended, and what became of its output. */
export interface ObservedRun {
  readonly exit: Exit;
  /** The first error of output/output. */
  readonly writeFailure?: NodeJS.ErrnoException;
  /** The last lines of stderr. */
  readonly stderr: readonly string[];
}

/**
 * Read both streams of a run to their end: to output/output in arrival order, under the file's backpressure, and line by line
 * into the document and to who listens, without the secrets of its request. When output/output can't be written the run is stopped, and what it still prints is only read.
 * @param signal lets go of the streams and the file at once
 * Errors: the signal's reason.
 */
export const observeRun = async (
  { run, document, workspace, secrets, record: { reports } }: RunningAttempt,
  use: ObserveContext,
  signal: AbortSignal,
): Promise<ObservedRun> => {
  const tail = createTail();
  const letGo = new AbortController();
  const reading = AbortSignal.any([signal, letGo.signal]);
  const file = new OutputFile(workspace.outputFile, error => {
    run.stop(causeOfWriteFailure(error));
  });
  const copyTo = (chunk: Buffer, next: () => void) => {
    file.write(chunk, next);
  };
  const onBlock = (block: LineBlock | undefined, atMs: number) => {
    document.lineBlock(block, atMs);
  };
  const search = searchFor(secrets);
  const read = async (name: string, stream: Readable, onLine: (line: string, atMs: number) => void) => {
    try {
      const sink = lines(onLine, { now: use.now, copyTo, onBlock });
      if (search) await pipeline(stream, redactStream(search), sink, { signal: reading });
      else await pipeline(stream, sink, { signal: reading });
    } catch (error) {
      if (!reading.aborted) document.log(`reading ${name} failed: ${messageOf(error)}`, use.now());
    }
  };
  try {
    const drained = Promise.all([
      read('stdout', run.stdout, (line, atMs) => {
        document.stdoutLine(line, atMs);
        reports?.stdoutLine(line, atMs);
      }),
      read('stderr', run.stderr, (line, atMs) => {
        document.stderrLine(line, atMs);
        reports?.stderrLine(line, atMs);
        tail.push(line);
      }),
    ]);
    const exit = await orAborted(run.exit, signal);
    // Everything it started is gone, so the streams end by themselves, unless somebody outside was given one.
    await orAborted(Promise.race([drained, sleep(use.graceMs, reading).catch(() => undefined)]), signal);
    letGo.abort(notNeeded);
    await drained;
    await orAborted(file.close(), signal);
    return { exit, stderr: tail.lines, ...(file.failure && { writeFailure: file.failure }) };
  } finally {
    letGo.abort(notNeeded);
    file.destroy();
  }
};
