import type { Readable } from 'node:stream';
import { StoreError } from '../errors.ts';
import { formatOf, type ArchiveFormat } from './archive-formats.ts';
import { toBytes } from './byte-path.ts';
import { createDiskBudget, type DiskBudget } from './disk-budget.ts';
import { createEntryWriter, type EntryWriter, type EntryWriterOptions } from './entry-writer.ts';
import { extractWhole } from './extract.ts';
import { unpackFailure } from './unpack-failure.ts';

export interface UnpackOptions {
  readonly signal?: AbortSignal | undefined;
  /** What may be written; default: no limit. */
  readonly budget?: DiskBudget;
  /** Of the body, where it is known: one that ends before that was cut off on its way. */
  readonly sizeBytes?: number | undefined;
  /** Of the object: asked where the content does not say what it is. */
  readonly name?: string;
  /** Default: refuse. */
  readonly outwardLinks?: EntryWriterOptions['outwardLinks'];
}

/**
 * A body up to this size is read whole and unpacked here, in turns that leave room for others. A larger one gets a thread of its own,
 * which takes some 40 ms to start.
 */
const smallBytes = 4 * 1024 * 1024;
/** What takes long to decode goes to a thread sooner. */
const smallSlowBytes = 64 * 1024;
const isSlow = (format: ArchiveFormat): boolean => format === 'bzip2' || format === 'xz';
/** What is small may unpack to this much in memory. */
const smallUnpackedBytes = 8 * 1024 * 1024;

/** A body as it comes. `whole`: all of it, where it is small. */
interface Received {
  readonly head: Buffer;
  readonly whole: boolean;
  /** Head and rest. Errors: StoreError `unavailable` for a body that ends before its size. */
  readonly all: () => AsyncIterable<Buffer>;
}

const receive = async (body: Readable, sizeBytes = 0): Promise<Received> => {
  const iterator = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const chunks: Buffer[] = [];
  let received = 0;
  const next = async () => {
    const one = await iterator.next();
    if (!one.done) {
      received += one.value.length;
      return one.value;
    }
    if (received >= sizeBytes) return undefined;
    throw new StoreError('unavailable', `the transfer ended after ${received} of ${sizeBytes} bytes`);
  };
  let whole = false;
  while (!whole && received <= smallBytes) {
    const chunk = await next();
    if (chunk) chunks.push(chunk);
    else whole = true;
  }
  const head = Buffer.concat(chunks);
  const all = async function* () {
    yield head;
    if (!whole) for (let chunk = await next(); chunk; chunk = await next()) yield chunk;
  };
  return { head, whole, all };
};

/** Work on a body; it is closed in the end, whatever happens, and what went wrong is told in our words. */
const withBody = async (
  body: Readable,
  { signal, sizeBytes }: UnpackOptions,
  work: (received: Received) => Promise<number>,
): Promise<number> => {
  const abort = () => body.destroy(signal?.reason as Error);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await work(await receive(body, sizeBytes));
  } catch (error) {
    body.destroy();
    signal?.throwIfAborted();
    throw unpackFailure(error);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
};

/** Work with a writer; what it opened is closed, and of what failed nothing stays counted. */
const withWriter = async (
  directory: string,
  budget: DiskBudget,
  outwardLinks: EntryWriterOptions['outwardLinks'],
  work: (writer: EntryWriter) => Promise<void>,
): Promise<number> => {
  const writer = createEntryWriter(directory, { budget, outwardLinks });
  try {
    await work(writer);
    await writer.drained();
    writer.finish();
    return writer.bytes();
  } catch (error) {
    budget.refund(writer.bytes());
    throw error;
  } finally {
    await writer.abandon();
  }
};

/**
 * Unpack an archive (tar, plain or compressed with gzip, bzip2, xz or zstd, or zip, told by its content) into a directory that exists,
 * and write nowhere else. The body is read at the pace of the disk. Returns the bytes counted: contents, and 512 for each entry.
 * Errors: AttemptError `artifact-invalid` (what is wrong, which entry), `out-of-disk` above the budget, `no-room` where the
 * machine's own disk is full; StoreError `unavailable` for a body shorter than `sizeBytes`; an error of the body as it came.
 */
export const unpackArchive = (body: Readable, directory: string, options: UnpackOptions = {}): Promise<number> =>
  withBody(body, options, async ({ head, whole, all }) => {
    const { budget = createDiskBudget(0), outwardLinks = 'refuse', name = '', signal } = options;
    const format = formatOf(head, name);
    if (whole && (head.length <= smallSlowBytes || !isSlow(format))) {
      return withWriter(directory, budget, outwardLinks, writer =>
        extractWhole(head, format, directory, writer, smallUnpackedBytes),
      );
    }
    const { unpackInThread } = await import('./unpack-thread.ts');
    return unpackInThread(all(), { directory, format, outwardLinks }, budget, signal);
  });

/** A file name made of a key: its last part. */
const fileNameOf = (key: string): string => {
  const name = key.slice(key.lastIndexOf('/') + 1);
  return ['', '.', '..'].includes(name) ? 'file' : name;
};

/**
 * Store an artifact that is not to be unpacked as the file it is, under the base name of its key.
 * Errors: as unpackArchive's.
 */
export const storeFile = (
  body: Readable,
  directory: string,
  key: string,
  options: UnpackOptions = {},
): Promise<number> =>
  withBody(body, options, ({ all }) =>
    withWriter(directory, options.budget ?? createDiskBudget(0), 'refuse', async writer => {
      const { sizeBytes = Number.POSITIVE_INFINITY } = options;
      const path = toBytes(fileNameOf(key));
      const entry = { path, type: 'file', sizeBytes, mode: 0o644, mtimeMs: Date.now(), linkname: '' } as const;
      const file = writer.begin(entry);
      for await (const chunk of all()) {
        file?.write(chunk);
        await writer.drained();
      }
      file?.close();
    }),
  );
