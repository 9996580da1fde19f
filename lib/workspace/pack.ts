import { createReadStream } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, type Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, createZstdCompress } from 'node:zlib';
import { pack, type Pack } from 'tar-stream';

/** Something to pack: a path relative to its directory, as it stood when the directory was looked at. */
export interface Found {
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly sizeBytes: number;
  readonly mode: number;
  readonly mtimeMs: number;
  readonly inode: number;
}

/**
 * Everything in a directory, sorted by path. What vanishes or can't be read while it is looked at is left out; so are sockets,
 * pipes and devices. Links are reported, never followed.
 */
export const listDirectory = async (directory: string): Promise<Found[]> => {
  const found: Found[] = [];
  const walk = async (relative: string): Promise<void> => {
    let names: string[];
    try {
      names = await readdir(join(directory, relative));
    } catch {
      return;
    }
    for (const name of names.sort()) {
      const path = relative === '' ? name : `${relative}/${name}`;
      const stat = await lstat(join(directory, path)).catch(() => undefined);
      if (!stat) continue;
      const type = stat.isFile()
        ? 'file'
        : stat.isDirectory()
          ? 'directory'
          : stat.isSymbolicLink()
            ? 'symlink'
            : undefined;
      if (!type) continue;
      found.push({ path, type, sizeBytes: stat.size, mode: stat.mode & 0o777, mtimeMs: stat.mtimeMs, inode: stat.ino });
      if (type === 'directory') await walk(path);
    }
  };
  await walk('');
  return found;
};

/** Equal for two looks between which nothing changed, as far as names, sizes, times, modes and inodes tell. */
export const fingerprintOf = (found: readonly Found[]): string =>
  found.map(one => [one.path, one.type, one.sizeBytes, one.mtimeMs, one.mode, one.inode].join('\0')).join('\n');

/** Told by the extension of the key it is stored under. Node has no encoder for bzip2 and xz: the client reads plain tar there too. */
const compressorFor = (key: string): Transform | undefined => {
  if (/\.(tar\.gz|tgz)$/.test(key)) return createGzip({ level: 6 });
  if (/\.(tar\.zst|tzst)$/.test(key)) return createZstdCompress();
  return undefined;
};

const zeros = Buffer.alloc(64 * 1024);

/** Exactly `size` bytes of a file: what it grew is left out, what it shrank is filled with zeros. */
async function* exactly(path: string, size: number): AsyncGenerator<Buffer> {
  let left = size;
  if (left > 0) {
    try {
      for await (const chunk of createReadStream(path, { end: size - 1, highWaterMark: 256 * 1024 })) {
        left -= (chunk as Buffer).length;
        yield chunk as Buffer;
      }
    } catch {
      // It went, or can no longer be read: an archive's header has promised its size.
    }
  }
  for (; left > 0; left -= zeros.length) yield left < zeros.length ? zeros.subarray(0, left) : zeros;
}

const addFile = async (archive: Pack, directory: string, one: Found): Promise<void> => {
  const path = join(directory, one.path);
  const handle = await open(path, 'r').catch(() => undefined);
  if (!handle) return;
  let sizeBytes: number;
  try {
    sizeBytes = (await handle.stat()).size;
  } finally {
    await handle.close();
  }
  const header = { name: one.path, size: sizeBytes, mode: one.mode, mtime: new Date(one.mtimeMs) };
  await new Promise<void>((resolve, reject) => {
    const entry = archive.entry(header, error => {
      if (error) reject(error);
      else resolve();
    });
    pipeline(exactly(path, sizeBytes), entry).catch(reject);
  });
};

const addAll = async (archive: Pack, directory: string, found: readonly Found[]): Promise<void> => {
  for (const one of found) {
    const common = { name: one.path, mode: one.mode, mtime: new Date(one.mtimeMs) };
    switch (one.type) {
      case 'directory':
        archive.entry({ ...common, type: 'directory' });
        break;
      case 'symlink': {
        const linkname = await readlink(join(directory, one.path)).catch(() => undefined);
        if (linkname !== undefined) archive.entry({ ...common, type: 'symlink', linkname });
        break;
      }
      case 'file':
        await addFile(archive, directory, one);
        break;
      default:
        one.type satisfies never;
    }
  }
  archive.finalize();
};

/**
 * A directory as a tar stream, compressed as `key`'s extension says; undefined where it has no files. Nothing is copied on disk,
 * and memory is bounded by the streams. Names have no leading `./`: the client takes an archive whose only member starts with it
 * for a single file. Files that change, grow, shrink, vanish or can't be read while they are packed stop nothing.
 */
export const packDirectory = async (
  directory: string,
  key: string,
  looked?: readonly Found[],
): Promise<Readable | undefined> => {
  const found = looked ?? (await listDirectory(directory));
  if (!found.some(one => one.type !== 'directory')) return undefined;
  const archive = pack();
  addAll(archive, directory, found).catch((error: unknown) => {
    archive.destroy(error as Error);
  });
  const packed = new PassThrough();
  const compressor = compressorFor(key);
  const sending = compressor ? pipeline(archive, compressor, packed) : pipeline(archive, packed);
  sending.catch((error: unknown) => {
    packed.destroy(error as Error);
  });
  return packed;
};
