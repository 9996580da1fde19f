import { Readable } from 'node:stream';
import { isatty } from 'node:tty';
import { clearLine, transferLine } from '../../lib/telemetry/progress-bar.ts';
import { createProgress } from '../../lib/telemetry/progress.ts';

/** Transfers of a command, shown in the last line of stderr. */
export interface TransferBar {
  /** The same bytes, counted as they are read. @param totalBytes undefined where it is not known */
  counted(operation: 'get' | 'put', artifact: string, totalBytes: number | undefined, body: Readable): Readable;
  /** Bytes that are counted by somebody else. */
  start(operation: 'get' | 'put', artifact: string, totalBytes: number | undefined): (bytes: number) => void;
  /** Take away what stands there. */
  readonly clear: () => void;
}

/** Where a bar is shown. Default: stderr, where that is a terminal that can take back a line. */
export interface TransferBarSettings {
  readonly write?: (text: string) => void;
  readonly isShown?: boolean;
  readonly columns?: () => number;
  /** A clock, ms. */
  readonly now?: () => number;
}

/** A bar for transfers that take longer than a second. */
export const createTransferBar = ({
  write = text => process.stderr.write(text),
  isShown = isatty(2) && process.env['TERM'] !== 'dumb',
  columns = () => process.stderr.columns || 80,
  now = () => performance.now(),
}: TransferBarSettings = {}): TransferBar => {
  let stands = false;
  const clear = () => {
    if (stands) write(clearLine);
    stands = false;
  };
  const begin = (operation: 'get' | 'put', artifact: string, totalBytes: number | undefined) =>
    createProgress({
      operation,
      artifact,
      totalBytes,
      now,
      emit: (_, fields) => {
        if (!isShown) return;
        write(clearLine + transferLine(fields, columns() - 1));
        stands = true;
      },
    });
  async function* passing(
    operation: 'get' | 'put',
    artifact: string,
    totalBytes: number | undefined,
    body: Readable,
  ): AsyncGenerator<Buffer> {
    const progress = begin(operation, artifact, totalBytes);
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        progress.add(chunk.length);
        yield chunk;
      }
    } finally {
      clear();
    }
  }
  return {
    clear,
    counted: (...transfer) => Readable.from(passing(...transfer), { objectMode: false }),
    start: (...transfer) => begin(...transfer).add,
  };
};
