import { createWriteStream, type WriteStream } from 'node:fs';

/** Bytes that may wait for the disk before whoever prints has to wait as well. */
const BUFFER_BYTES = 1024 * 1024;

/**
 * The file output/output while an experiment runs. Chunks of both streams are written in the order they come. After a failed
 * write nothing more is written, and nobody waits.
 */
export class OutputFile {
  readonly #stream: WriteStream;
  #waiting: (() => void)[] = [];
  #failure: NodeJS.ErrnoException | undefined;

  /**
   * @param path appended to, made where it isn't there
   * @param onFailure told once, of the first error: no space left, for one
   */
  constructor(path: string, onFailure: (error: NodeJS.ErrnoException) => void) {
    this.#stream = createWriteStream(path, { flags: 'a', highWaterMark: BUFFER_BYTES });
    this.#stream.on('drain', () => {
      this.#resume();
    });
    this.#stream.on('error', error => {
      this.#failure = error;
      onFailure(error);
      this.#resume();
    });
  }

  get failure(): NodeJS.ErrnoException | undefined {
    return this.#failure;
  }

  /** Write a chunk; `next` is called when another one may come. */
  write(chunk: Buffer, next: () => void): void {
    if (this.#failure !== undefined || this.#stream.destroyed || this.#stream.write(chunk)) next();
    else this.#waiting.push(next);
  }

  /** Resolves when everything is written, or never will be. */
  close(): Promise<void> {
    return new Promise(resolve => {
      if (this.#stream.closed) {
        resolve();
        return;
      }
      this.#stream.once('close', resolve);
      this.#stream.end();
    });
  }

  /** Let go of the file at once. */
  destroy(): void {
    this.#stream.destroy();
    this.#resume();
  }

  #resume(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const next of waiting) next();
  }
}
