import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { ArchiveFormat } from './archive-formats.ts';
import { decoderOf } from './decoders.ts';
import type { EntryWriter } from './entry-writer.ts';
import { TarReader } from './tar-reader.ts';
import { readZip } from './zip-reader.ts';
import { FrameSplitter } from './zstd-frames.ts';

type Source = AsyncIterable<Buffer> | Iterable<Buffer>;

const readTar = async (chunks: Source, writer: EntryWriter): Promise<void> => {
  const reader = new TarReader(writer);
  for await (const chunk of chunks) {
    reader.push(chunk);
    await writer.drained();
  }
  reader.end();
};

/** Zips end with what has to be read first: all of it waits in a file that has no name, and counts as long as it is there. */
const readSpooledZip = async (chunks: Source, directory: string, writer: EntryWriter): Promise<void> => {
  const place = join(directory, `.spool-${randomUUID()}`);
  const fd = openSync(place, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  let sizeBytes = 0;
  try {
    unlinkSync(place);
    for await (const chunk of chunks) {
      writer.note(chunk.length);
      for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at, chunk.length - at, sizeBytes + at);
      sizeBytes += chunk.length;
    }
    await readZip({ fd, sizeBytes }, writer);
  } finally {
    closeSync(fd);
    writer.note(-sizeBytes);
  }
};

/**
 * Read an archive to its end into a writer.
 * @param directory where the writer writes
 * Errors: AttemptError `artifact-invalid`; those of the source, the decoder and the writer as they come.
 */
export const extract = async (
  source: Source,
  format: ArchiveFormat,
  directory: string,
  writer: EntryWriter,
): Promise<void> => {
  if (format === 'zip') return readSpooledZip(source, directory, writer);
  const decoder = decoderOf(format);
  if (!decoder) return readTar(source, writer);
  const reader = new TarReader(writer);
  const sink = new Writable({
    highWaterMark: 1,
    write: (chunk: Buffer, _encoding, done) => {
      try {
        reader.push(chunk);
      } catch (error) {
        done(error as Error);
        return;
      }
      const drained = writer.drained();
      if (drained) drained.then(() => done(), done);
      else done();
    },
  });
  // The types of `pipeline` know streams and functions, not one or the other.
  await pipeline(source, decoder as NodeJS.ReadWriteStream, sink);
  reader.end();
};

const wholeBytes = 1024 * 1024;
/** Of what is in memory so much is worked off before others have their turn. */
const turnBytes = 256 * 1024;

const inTurns = (bytes: Buffer): Source => {
  if (bytes.length <= turnBytes) return [bytes];
  return (async function* () {
    for (let at = 0; at < bytes.length; at += turnBytes) {
      if (at > 0) await setImmediate();
      yield bytes.subarray(at, at + turnBytes);
    }
  })();
};

/**
 * What node's calls for whole buffers read to the end: without streams that takes 0.6 ms less for a small tar.gz (measured).
 * Larger ones are inflated by node's threads.
 */
const inflateWhole = (bytes: Buffer, format: ArchiveFormat, maxOutputLength: number): Buffer | undefined => {
  if (bytes.length > wholeBytes) return undefined;
  if (format === 'gzip') return gunzipSync(bytes, { maxOutputLength });
  if (format !== 'zstd') return undefined;
  const [first, ...more] = new FrameSplitter().split(bytes);
  return first && more.length === 0 ? zstdDecompressSync(first.bytes, { maxOutputLength }) : undefined;
};

/**
 * The same for an archive in memory: what unpacks to `mostBytes` at most is unpacked at once, without streams.
 * Errors: as `extract`'s.
 */
export const extractWhole = async (
  bytes: Buffer,
  format: ArchiveFormat,
  directory: string,
  writer: EntryWriter,
  mostBytes: number,
): Promise<void> => {
  if (format === 'zip') return readZip(bytes, writer);
  let inflated: Buffer | undefined;
  try {
    inflated = inflateWhole(bytes, format, mostBytes);
  } catch (error) {
    // It is small only as long as it is compressed.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') throw error;
  }
  const isTar = inflated !== undefined || format === 'tar';
  return extract(inTurns(inflated ?? bytes), isTar ? 'tar' : format, directory, writer);
};
