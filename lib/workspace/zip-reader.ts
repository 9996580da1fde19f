import { readSync } from 'node:fs';
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib';
import type { Entry as ZipEntry, ZipFile } from 'yauzl';
import { asError, AttemptError, messageOf } from '../errors.ts';
import { archiveRefused } from './archive-errors.ts';
import { asBytes, type BytePath } from './byte-path.ts';
import type { Entry, EntryWriter } from './entry-writer.ts';
import { entryOf } from './zip-entries.ts';

/** Where a zip is: its end is read first, so it must be there whole. */
export type ZipPlace = Buffer | { readonly fd: number; readonly sizeBytes: number };

/** Up to this size an entry is inflated at once: a stream for each would cost more than the work. */
const smallBytes = 256 * 1024;
const chunkBytes = 256 * 1024;
const mostLinkBytes = 4096;

/** Bytes of the file. Errors: it ends before. */
const readAt = (place: ZipPlace, at: number, bytes: number): Buffer => {
  if (Buffer.isBuffer(place)) {
    if (at + bytes > place.length) throw archiveRefused('it is cut off');
    return place.subarray(at, at + bytes);
  }
  const buffer = Buffer.allocUnsafe(bytes);
  for (let filled = 0; filled < bytes;) {
    const count = readSync(place.fd, buffer, filled, bytes - filled, at + filled);
    if (count === 0) throw archiveRefused('it is cut off');
    filled += count;
  }
  return buffer;
};

function* chunksAt(place: ZipPlace, at: number, bytes: number): Generator<Buffer> {
  for (let done = 0; done < bytes; done += chunkBytes) {
    yield readAt(place, at + done, Math.min(chunkBytes, bytes - done));
  }
}

/** The content of an entry, in chunks, not yet checked. */
async function* rawContent(place: ZipPlace, one: ZipEntry, at: number): AsyncGenerator<Buffer> {
  const { compressedSize, uncompressedSize } = one;
  if (one.compressionMethod === 0) {
    yield* chunksAt(place, at, compressedSize);
  } else if (compressedSize <= smallBytes && uncompressedSize <= smallBytes) {
    yield inflateRawSync(readAt(place, at, compressedSize), { maxOutputLength: uncompressedSize + 1 });
  } else {
    const inflate = createInflateRaw({ chunkSize: chunkBytes });
    const feed = async () => {
      for (const chunk of chunksAt(place, at, compressedSize)) {
        await new Promise<void>((resolve, reject) =>
          inflate.write(chunk, error => (error ? reject(error) : resolve())),
        );
      }
      inflate.end();
    };
    feed().catch((error: unknown) => inflate.destroy(asError(error)));
    yield* inflate as AsyncIterable<Buffer>;
  }
}

/** The content of an entry, as long as it was said to be and with its checksum. */
async function* contentOf(place: ZipPlace, file: ZipFile, one: ZipEntry, path: BytePath): AsyncGenerator<Buffer> {
  const { fileDataStart } = await file.readLocalFileHeaderPromise(one, { minimal: true });
  let bytes = 0;
  let sum = 0;
  for await (const chunk of rawContent(place, one, fileDataStart)) {
    bytes += chunk.length;
    if (bytes > one.uncompressedSize) throw archiveRefused('it is larger than it says', path);
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (bytes !== one.uncompressedSize) throw archiveRefused('it is smaller than it says', path);
  if (sum !== one.crc32) throw archiveRefused('it is damaged: its checksum is wrong', path);
}

const linkTarget = async (content: AsyncIterable<Buffer>, { path, sizeBytes }: Entry): Promise<BytePath> => {
  if (sizeBytes > mostLinkBytes) throw archiveRefused('it is a link to no path', path);
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks).toString(asBytes);
};

/**
 * Unpack a zip into a writer, entry by entry as its directory lists them.
 * Errors: AttemptError `artifact-invalid`, and those of the writer.
 */
export const readZip = async (place: ZipPlace, writer: EntryWriter): Promise<void> => {
  const { fromBufferPromise, fromFdPromise, getFileNameLowLevel } = await import('yauzl');
  // Names are judged by us, with those of other archives.
  const options = { autoClose: false, lazyEntries: true, decodeStrings: false } as const;
  try {
    const file = await (Buffer.isBuffer(place) ? fromBufferPromise(place, options) : fromFdPromise(place.fd, options));
    for await (const one of file.eachEntry()) {
      const { generalPurposeBitFlag, fileNameRaw, extraFields } = one;
      const entry = entryOf(one, getFileNameLowLevel(generalPurposeBitFlag, fileNameRaw, extraFields, false));
      const content = contentOf(place, file, one, entry.path);
      if (entry.type === 'symlink') {
        writer.begin({ ...entry, linkname: await linkTarget(content, entry) });
        continue;
      }
      const written = writer.begin(entry);
      if (!written) continue;
      for await (const chunk of content) {
        written.write(chunk);
        await writer.drained();
      }
      written.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw archiveRefused('an entry is larger than it says', undefined, error);
    }
    // What the disk says has a code, what the library says has none.
    if (error instanceof AttemptError || (error as NodeJS.ErrnoException).code !== undefined) throw error;
    throw archiveRefused(`it is damaged: ${messageOf(error)}`, undefined, error);
  }
};
