import { closeSync, fstatSync, openSync, readlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { findExecutable } from '../resources/find-executable.ts';
import { asBytes, forDisk, toBytes, type BytePath } from './byte-path.ts';
import { bzip2By, gzipBlocks, xzStreams, zstdFrame, type Encoder } from './encoders.ts';
import { hasFiles, listDirectory, type Found } from './list-directory.ts';
import { fillFrom, reading } from './read-files.ts';
import { blockBytes, encodeHeader, endOfArchive, paddingAfter } from './tar-header.ts';

/** Up to this size an archive is made in memory: it is sent in one piece, and again without packing anew. */
const smallBytes = 1024 * 1024;
/** Files up to this size are read at once, several to a chunk. */
const smallFileBytes = 64 * 1024;
const chunkBytes = 256 * 1024;

interface Compression {
  readonly ends: RegExp;
  /** For what is small. */
  readonly now?: (bytes: Buffer) => Buffer;
  /** Undefined: it can't be done here. What is stored is plain tar then, which readers tell by its content. */
  readonly encoder: () => Encoder | undefined | Promise<Encoder | undefined>;
}
const compressions: readonly Compression[] = [
  { ends: /\.(?:tar\.gz|tgz)$/i, now: bytes => gzipSync(bytes), encoder: () => gzipBlocks },
  { ends: /\.(?:tar\.zst|tzst)$/i, now: bytes => zstdCompressSync(bytes), encoder: () => zstdFrame },
  { ends: /\.(?:tar\.xz|txz)$/i, encoder: () => xzStreams },
  {
    ends: /\.(?:tar\.bz2|tbz2?)$/i,
    encoder: async () => {
      const program = await findExecutable('bzip2');
      return program === undefined ? undefined : bzip2By(program);
    },
  },
];

/** A small file with its header; undefined when it went, can't be read, or is no file any more. */
const smallFile = (place: BytePath, one: Found): Buffer[] | undefined => {
  let fd: number;
  try {
    fd = openSync(forDisk(place), reading);
  } catch {
    return undefined;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return undefined;
    // What grew large since it was looked at is cut where it ended then.
    const sizeBytes = Math.min(stats.size, smallFileBytes);
    const content = Buffer.allocUnsafe(sizeBytes + paddingAfter(sizeBytes));
    fillFrom(fd, content.subarray(0, sizeBytes));
    content.fill(0, sizeBytes);
    return [encodeHeader({ ...one, sizeBytes, mtimeMs: stats.mtimeMs }), content];
  } finally {
    closeSync(fd);
  }
};

/** A large file with its header, chunk by chunk: as many bytes as it had when it was opened. */
async function* largeFile(place: BytePath, one: Found): AsyncGenerator<Buffer> {
  const handle = await open(forDisk(place), reading).catch(() => undefined);
  if (!handle) return;
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) return;
    const { size: sizeBytes, mtimeMs } = stats;
    yield encodeHeader({ ...one, sizeBytes, mtimeMs });
    let isOver = false;
    for (let left = sizeBytes; left > 0;) {
      const chunk = Buffer.allocUnsafe(Math.min(left, chunkBytes));
      const bytesRead: number = isOver ? 0 : (await handle.read(chunk).catch(() => ({ bytesRead: 0 }))).bytesRead;
      isOver = bytesRead === 0;
      const filled = isOver ? chunk.fill(0) : chunk.subarray(0, bytesRead);
      left -= filled.length;
      yield filled;
    }
    yield Buffer.alloc(paddingAfter(sizeBytes));
  } finally {
    await handle.close();
  }
}

const linkOf = (place: BytePath, one: Found): Buffer[] | undefined => {
  try {
    return [encodeHeader({ ...one, linkname: readlinkSync(forDisk(place), asBytes) })];
  } catch {
    return undefined;
  }
};

/** The archive of what was found, in chunks: small entries together, at most `chunkBytes` and one file. */
async function* archiveOf(directory: BytePath, found: readonly Found[]): AsyncGenerator<Buffer> {
  let batch: Buffer[] = [];
  let batchBytes = 0;
  for (const one of found) {
    const place = `${directory}/${one.path}`;
    if (one.type === 'file' && one.sizeBytes > smallFileBytes) {
      if (batchBytes > 0) yield Buffer.concat(batch, batchBytes);
      batch = [];
      batchBytes = 0;
      yield* largeFile(place, one);
      continue;
    }
    const blocks =
      one.type === 'file' ? smallFile(place, one) : one.type === 'symlink' ? linkOf(place, one) : [encodeHeader(one)];
    for (const block of blocks ?? []) {
      batch.push(block);
      batchBytes += block.length;
    }
    if (batchBytes >= chunkBytes) {
      yield Buffer.concat(batch, batchBytes);
      batch = [];
      batchBytes = 0;
    }
  }
  yield Buffer.concat([...batch, endOfArchive]);
}

const sizeOf = (found: readonly Found[]): number =>
  found.reduce((sum, { path, sizeBytes }) => sum + sizeBytes + path.length + 1024, 0);

/** The bytes of the archive of what was found, as far as names are not too long for it: its blocks, and its end. */
export const archiveBytesOf = (found: readonly Found[]): number =>
  found.reduce((sum, { sizeBytes }) => sum + blockBytes + sizeBytes + paddingAfter(sizeBytes), endOfArchive.length);

async function* told(chunks: AsyncIterable<Buffer>, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    onBytes(chunk.length);
    yield chunk;
  }
}

const packSmall = async (
  directory: BytePath,
  found: readonly Found[],
  compression: Compression | undefined,
): Promise<Buffer> => {
  const archive = await buffer(archiveOf(directory, found));
  if (compression?.now && archive.length <= smallFileBytes) return compression.now(archive);
  const encoder = await compression?.encoder();
  return encoder ? buffer(encoder(Readable.from([archive]))) : archive;
};

/**
 * A directory as a tar archive, compressed as the extension of `key` says; undefined where it has no files. A small one comes as a
 * Buffer, a large one as a stream: nothing is copied on disk, memory is bounded. Names have no leading `./`: the client takes an archive
 * whose only member starts with it for a single file. Files that change, grow, shrink, vanish or can't be read while they
 * are packed stop nothing: a file has the size that it had when it was opened.
 * @param looked what listDirectory found, where the caller has it
 * @param onBytes told of each piece of a large archive when it is made, before it is compressed
 */
export const packDirectory = async (
  directory: string,
  key: string,
  looked?: readonly Found[],
  onBytes: (bytes: number) => void = () => undefined,
): Promise<Buffer | Readable | undefined> => {
  const found = looked ?? (await listDirectory(directory));
  if (!hasFiles(found)) return undefined;
  const top = toBytes(directory);
  const compression = compressions.find(({ ends }) => ends.test(key));
  if (sizeOf(found) <= smallBytes) return packSmall(top, found, compression);
  const archive = told(archiveOf(top, found), onBytes);
  const encoder = await compression?.encoder();
  return Readable.from(encoder ? encoder(archive) : archive, { objectMode: false, highWaterMark: chunkBytes });
};
