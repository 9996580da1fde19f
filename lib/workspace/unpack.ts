import type { Readable } from 'node:stream';
import { StoreError } from '../errors.ts';
import { breakRing, RingWriter, type ByteRing } from '../flow/byte-ring.ts';
import type { StoredObject } from '../storage/object-store.ts';
import { formatOf, type ArchiveFormat } from './archive-formats.ts';
import { createDiskBudget, type DiskBudget } from './disk-budget.ts';
import { createEntryWriter, type EntryWriter, type EntryWriterOptions } from './entry-writer.ts';
import { extractWhole } from './extract.ts';
import { fileEntryOf } from './file-entry.ts';
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
    return unpackInThread(filler(all()), { as: 'archive', directory, name, outwardLinks }, budget, signal);
  });

/** Fills a ring with what comes. */
const filler =
  (source: AsyncIterable<Buffer>) =>
  async (ring: ByteRing): Promise<void> => {
    try {
      const writer = new RingWriter(ring);
      for await (const chunk of source) await writer.write(chunk);
      writer.end();
    } catch (error) {
      breakRing(ring);
      throw error;
    }
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
      const file = writer.begin(fileEntryOf(key, sizeBytes));
      for await (const chunk of all()) {
        file?.write(chunk);
        await writer.drained();
      }
      file?.close();
    }),
  );

/**
 * Bring an object into a directory that exists: unpacked, or as the file it is. A large one is received and written by threads,
 * where its store can do that.
 * Errors: as unpackArchive's.
 */
export const bringIn = async (
  object: StoredObject,
  as: 'archive' | 'file',
  directory: string,
  options: UnpackOptions & { readonly name: string },
): Promise<number> => {
  const { sizeBytes = 0, pour } = object;
  const { name, signal, outwardLinks = 'refuse', budget = createDiskBudget(0) } = options;
  if (pour && sizeBytes > smallBytes) {
    const { unpackInThread } = await import('./unpack-thread.ts');
    return unpackInThread(pour, { as, directory, name, outwardLinks }, budget, signal);
  }
  const { body } = object;
  return as === 'archive'
    ? unpackArchive(body, directory, { ...options, sizeBytes })
    : storeFile(body, directory, name, { ...options, sizeBytes: object.sizeBytes });
};
