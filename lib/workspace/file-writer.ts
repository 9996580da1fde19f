import { close, closeSync, ftruncateSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import type { EntryFile } from './entry-writer.ts';

const writeLater = promisify(write);
const closeLater = promisify(close);

/** Up to this size a file is written at once; what is larger could keep this program waiting for the disk. */
const smallBytes = 256 * 1024;

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

/** A place in a file: sparse files have holes. */
interface Cursor {
  at: number;
  /** Whether the file has to be made longer at its end: it ends with a hole. */
  endsInHole: boolean;
}

const writeNow = (fd: number, chunk: Buffer, cursor: Cursor): void => {
  for (let at = 0; at < chunk.length;) {
    const count = writeSync(fd, chunk, at, chunk.length - at, cursor.at);
    at += count;
    cursor.at += count;
  }
  cursor.endsInHole = false;
};

const writeAll = async (fd: number, chunk: Buffer, cursor: Cursor): Promise<void> => {
  for (let at = 0; at < chunk.length;) {
    const { bytesWritten } = await writeLater(fd, chunk, at, chunk.length - at, cursor.at);
    at += bytesWritten;
    cursor.at += bytesWritten;
  }
  cursor.endsInHole = false;
};

/** @param atOnceBytes up to this size a file is written without waiting for others; Infinity where nobody else waits */
export const createFileWriter = (atOnceBytes = smallBytes): FileWriter => {
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
      const cursor: Cursor = { at: 0, endsInHole: false };
      const finish = () => {
        if (cursor.endsInHole) ftruncateSync(fd, cursor.at);
        last();
        open.delete(fd);
      };
      return {
        write: chunk => {
          before(chunk.length);
          if (isSmall) writeNow(fd, chunk, cursor);
          else then(() => writeAll(fd, chunk, cursor));
        },
        skip: bytes => {
          before(bytes);
          const move = () => {
            cursor.at += bytes;
            cursor.endsInHole = true;
          };
          if (isSmall) move();
          else then(async () => move());
        },
        close: () => {
          if (isSmall) {
            finish();
            closeSync(fd);
          } else
            then(async () => {
              finish();
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
