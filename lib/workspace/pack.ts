import { closeSync, fstatSync, openSync, readlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { counted, whole, type Pieces } from '../flow/pieces.ts';
import { findExecutable } from '../resources/find-executable.ts';
import { asBytes, forDisk, toBytes, type BytePath } from './byte-path.ts';
import { bzip2By, gzipBlocks, xzStreams, zstdFrame, type Encoder } from './encoders.ts';
import { hasFiles, listDirectory, type Found } from './list-directory.ts';
import { fillFrom, reading, unlessShort } from './read-files.ts';
import { blockBytes, encodeHeader, endOfArchive, paddingAfter } from './tar-header.ts';

/** Up to this size an archive is made in memory: it is sent in one piece, and again without packing anew. */
const smallBytes = 1024 * 1024;
/** Files up to this size are read at once, several to a piece. */
const smallFileBytes = 64 * 1024;
const pieceBytes = 1024 * 1024;
/** There is room for any small file in it, with the longest header. */
const leastPieceBytes = 2 * smallFileBytes;

interface Compression {
  readonly ends: RegExp;
  /** For what is small. */
  readonly now?: (bytes: Buffer) => Buffer;
  /** Undefined: it can't be done here. What is stored is plain tar then, which readers tell by its content. */
  readonly encoder: () => Encoder | undefined | Promise<Encoder | undefined>;
}
const compressions: readonly Compression[] = [
  { ends: /\.(?:tar\.gz|tgz)$/i, now: bytes => gzipSync(bytes), encoder: () => gzipBlocks },
  { ends: /\.(?:tar\.zst|tzst)$/i, now: bytes => zstdCompressSync(bytes), encoder: () => source => zstdFrame(source) },
  { ends: /\.(?:tar\.xz|txz)$/i, encoder: () => xzStreams },
  {
    ends: /\.(?:tar\.bz2|tbz2?)$/i,
    encoder: async () => {
      const program = await findExecutable('bzip2');
      return program === undefined ? undefined : bzip2By(program);
    },
  },
];

/** Memory that pieces of an archive are written into, one after another. */
class PieceMemory {
  readonly #bytes: Buffer;
  #held = 0;

  constructor(bytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
  }

  /** What is still to be written. */
  get room(): Buffer {
    return this.#bytes.subarray(this.#held);
  }

  get isEmpty(): boolean {
    return this.#held === 0;
  }

  /** So many bytes of the room were written. */
  wrote(bytes: number): void {
    this.#held += bytes;
  }

  /** What was written; good until something is written again. */
  take(): Buffer {
    const piece = this.#bytes.subarray(0, this.#held);
    this.#held = 0;
    return piece;
  }

  /** Bytes that may be more than there is room for. */
  *add(bytes: Buffer): Generator<Buffer> {
    for (let at = 0; at < bytes.length;) {
      const count = bytes.copy(this.room, 0, at);
      at += count;
      this.wrote(count);
      if (at < bytes.length) yield this.take();
    }
  }
}

/** A small file with its header, into room for it: how much that is. 0 when it went, can't be read, or is no file any more. */
const smallFile = (place: BytePath, one: Found, room: Buffer): number => {
  let fd: number;
  try {
    fd = openSync(forDisk(place), reading);
  } catch (error) {
    return unlessShort(error) ?? 0;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return 0;
    // What grew large since it was looked at is cut where it ended then.
    const sizeBytes = Math.min(stats.size, smallFileBytes);
    const start = encodeHeader({ ...one, sizeBytes, mtimeMs: stats.mtimeMs }).copy(room);
    const end = start + sizeBytes;
    fillFrom(fd, room.subarray(start, end));
    const padded = end + paddingAfter(sizeBytes);
    room.fill(0, end, padded);
    return padded;
  } finally {
    closeSync(fd);
  }
};

/** A large file with its header: as many bytes as it had when it was opened. */
async function* largeFile(place: BytePath, one: Found, memory: PieceMemory): AsyncGenerator<Buffer> {
  const handle = await open(forDisk(place), reading).catch(unlessShort);
  if (!handle) return;
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) return;
    const { size: sizeBytes, mtimeMs } = stats;
    yield* memory.add(encodeHeader({ ...one, sizeBytes, mtimeMs }));
    let isOver = false;
    for (let left = sizeBytes; left > 0;) {
      if (memory.room.length === 0) yield memory.take();
      const room = memory.room.subarray(0, left);
      const read: number = isOver
        ? 0
        : await handle.read(room).then(
            ({ bytesRead }) => bytesRead,
            () => 0,
          );
      isOver = read === 0;
      const count = isOver ? room.fill(0).length : read;
      memory.wrote(count);
      left -= count;
    }
    yield* memory.add(Buffer.alloc(paddingAfter(sizeBytes)));
  } finally {
    await handle.close();
  }
}

const linkOf = (place: BytePath, one: Found): Buffer => {
  try {
    return encodeHeader({ ...one, linkname: readlinkSync(forDisk(place), asBytes) });
  } catch {
    return Buffer.alloc(0);
  }
};

/** The archive of what was found, by way of this memory. */
async function* archiveOf(
  directory: BytePath,
  found: readonly Found[],
  memory = new PieceMemory(Math.min(Math.max(sizeOf(found), leastPieceBytes), pieceBytes)),
): AsyncGenerator<Buffer> {
  for (const one of found) {
    const place = `${directory}/${one.path}`;
    switch (one.type) {
      case 'file':
        if (one.sizeBytes > smallFileBytes) {
          yield* largeFile(place, one, memory);
          break;
        }
        if (memory.room.length < leastPieceBytes && !memory.isEmpty) yield memory.take();
        memory.wrote(smallFile(place, one, memory.room));
        break;
      case 'symlink':
        yield* memory.add(linkOf(place, one));
        break;
      case 'directory':
        yield* memory.add(encodeHeader(one));
    }
  }
  yield* memory.add(endOfArchive);
  yield memory.take();
}

const sizeOf = (found: readonly Found[]): number =>
  found.reduce((sum, { path, sizeBytes }) => sum + sizeBytes + path.length + 1024, 0);

/** The bytes of the archive of what was found, as far as names are not too long for it: its blocks, and its end. */
export const archiveBytesOf = (found: readonly Found[]): number =>
  found.reduce((sum, { sizeBytes }) => sum + blockBytes + sizeBytes + paddingAfter(sizeBytes), endOfArchive.length);

async function* piecesOf(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** Of archives that were packed before: new memory would be mapped and cleared for a few kilobytes. */
let spareMemory: PieceMemory | undefined;

const packSmall = async (
  directory: BytePath,
  found: readonly Found[],
  compression: Compression | undefined,
): Promise<Buffer> => {
  const memory = spareMemory ?? new PieceMemory(leastPieceBytes);
  spareMemory = undefined;
  const archive = await whole(archiveOf(directory, found, memory));
  spareMemory = memory;
  if (compression?.now && archive.length <= smallFileBytes) return compression.now(archive);
  const encoder = await compression?.encoder();
  return encoder ? whole(encoder(piecesOf(archive))) : archive;
};

/**
 * A directory as a tar archive, compressed as the extension of `key` says; undefined where it has no files. A small one comes as a
 * Buffer, a large one in pieces: nothing is copied on disk, memory is bounded. Names have no leading `./`: the client takes an archive
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
): Promise<Buffer | Pieces | undefined> => {
  const found = looked ?? (await listDirectory(directory));
  if (!hasFiles(found)) return undefined;
  const top = toBytes(directory);
  const compression = compressions.find(({ ends }) => ends.test(key));
  if (sizeOf(found) <= smallBytes) return packSmall(top, found, compression);
  const archive = counted(archiveOf(top, found), onBytes);
  const encoder = await compression?.encoder();
  return encoder ? encoder(archive) : archive;
};
