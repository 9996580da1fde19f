import { close, closeSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import type { EntryFile } from './entry-writer.ts';

const writeLater = promisify(write);
const closeLater = promisify(close);

/** Up to this size a file is written at once; what is larger could keep this program waiting for the disk. */
const atOnceBytes = 256 * 1024;

export interface FileHooks {
  /** Told of each chunk before it is written; may throw. */
  readonly before: (bytes: number) => void;
  /** Last, with the file still open. */
  readonly last: () => void;
}

export interface FileWriter {
  open(fd: number, sizeBytes: number, hooks: FileHooks): EntryFile;
  /** Resolves when everything given was written; undefined when it is already. Errors: those of the disk. */
  readonly drained: () => Promise<void> | undefined;
  /** Close every file that is open. Never rejects. */
  readonly abandon: () => Promise<void>;
}

const writeAll = async (fd: number, chunk: Buffer): Promise<void> => {
  for (let at = 0; at < chunk.length;) at += (await writeLater(fd, chunk, at, chunk.length - at, null)).bytesWritten;
};

/** Writes files to descriptors that it is given, and closes these: small ones at once, the others without blocking. */
export const createFileWriter = (): FileWriter => {
  const open = new Set<number>();
  let pending: Promise<void> | undefined;

  const then = (work: () => Promise<void>) => {
    const next = (pending ?? Promise.resolve()).then(work);
    pending = next;
    // A failure stays, for whoever asks for `drained`.
    next.then(
      () => {
        if (pending === next) pending = undefined;
      },
      () => undefined,
    );
  };
  return {
    open: (fd, sizeBytes, { before, last }) => {
      open.add(fd);
      const isSmall = sizeBytes <= atOnceBytes;
      return {
        write: chunk => {
          before(chunk.length);
          if (isSmall) for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at, chunk.length - at);
          else then(() => writeAll(fd, chunk));
        },
        close: () => {
          if (isSmall) {
            last();
            open.delete(fd);
            closeSync(fd);
          } else
            then(async () => {
              last();
              open.delete(fd);
              await closeLater(fd);
            });
        },
      };
    },
    drained: () => pending,
    abandon: async () => {
      await pending?.catch(() => undefined);
      for (const fd of open) closeSync(fd);
      open.clear();
    },
  };
};
