import { randomUUID } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import type { BigIntStats, Dirent } from 'node:fs';
import { link, lstat, open, opendir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { StoreError } from '../errors.ts';
import { closeUnread, piecesUntil, type Pieces } from '../flow/pieces.ts';
import { makeDirectory } from '../workspace/make-directory.ts';
import { directoryError, isFileSystemError } from './directory-errors.ts';
import { withLockFile } from './directory-lock.ts';
import { isWithin, pathOfKey, realPathOf } from './directory-paths.ts';
import type { ObjectInfo, ObjectStore, PutOptions } from './object-store.ts';

export interface DirectoryPlace {
  /** Absolute. One bucket. Made when something is stored. */
  readonly root: string;
}

/** The store's own files: unfinished objects, beside their place so that a rename is enough, and locks. Never listed. */
const own = /\.studioml-(?:lock|[0-9a-f]{8}-[0-9a-f-]{27})$/;

const readChunkBytes = 256 * 1024;

/** A file that is replaced is another inode, and one that is written to has another time. */
const etagOf = (info: BigIntStats): string =>
  `"${info.ino.toString(16)}-${info.size.toString(16)}-${info.mtimeNs.toString(16)}"`;

const statOf = (file: string): Promise<BigIntStats | undefined> => stat(file, { bigint: true }).catch(() => undefined);

const etagAt = async (file: string): Promise<string | undefined> => {
  const info = await statOf(file);
  return info && etagOf(info);
};

/** The files and links below a directory; what goes away meanwhile is left out, links are not followed. */
async function* walk(directory: string, wanted: (file: string) => boolean): AsyncGenerator<string> {
  const gone = (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  };
  const below: Dirent[] = [];
  const entries = await opendir(directory).catch(gone);
  if (entries === undefined) return;
  for await (const entry of entries) {
    if (entry.isDirectory()) below.push(entry);
    else if ((entry.isFile() || entry.isSymbolicLink()) && !own.test(entry.name))
      yield path.join(directory, entry.name);
  }
  for (const { name } of below) {
    const next = path.join(directory, name);
    if (wanted(next)) yield* walk(next, wanted);
  }
}

/**
 * A directory as a bucket: a key is a path below it, and links that lead out of it are refused. An object is written beside its
 * place and renamed into it, so a reader sees the old one or the new one. `ifNoneMatch` is decided by a hard link, `ifMatch`
 * under a lock file that all processes on the directory see; a put without a condition takes no lock and may win over it.
 * What was stored outlives the process at once, a crash of the machine when the file system has written it.
 */
export const createDirectoryStore = ({ root }: DirectoryPlace): ObjectStore => {
  const name = `file://${root}`;

  const call = async <T>(
    operation: string,
    key: string,
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> => {
    try {
      signal?.throwIfAborted();
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      // The body's own failure is told as it is.
      if (error instanceof StoreError || !isFileSystemError(error)) throw error;
      throw directoryError(operation, error, { store: name, key });
    }
  };
  const refuse = (operation: string, why: string, key: string): StoreError =>
    new StoreError('invalid', `${operation} failed: ${why}`, { store: name, key });
  /** The file of a key, links in its directories resolved and seen to stay inside. */
  const fileOf = async (operation: string, key: string): Promise<string> => {
    const file = pathOfKey(root, key);
    if (file === undefined || own.test(key)) throw refuse(operation, 'the key is no path of a file below it', key);
    const [home, parent] = await Promise.all([realPathOf(root), realPathOf(path.dirname(file))]);
    if (!isWithin(home, parent)) throw refuse(operation, 'the key leads out of the store', key);
    return path.join(parent, path.basename(file));
  };

  const publish = async (draft: string, file: string, key: string, options: PutOptions): Promise<void> => {
    if (options.ifNoneMatch !== undefined) {
      await link(draft, file);
      return;
    }
    if (options.ifMatch === undefined) {
      await rename(draft, file);
      return;
    }
    await withLockFile(`${file}.studioml-lock`, options.signal, async () => {
      if ((await etagAt(file)) !== options.ifMatch) {
        throw new StoreError('precondition', 'put failed: the object is another one by now', { store: name, key });
      }
      await rename(draft, file);
    });
  };

  const write = async (draft: string, body: Buffer | Pieces, signal: AbortSignal | undefined): Promise<void> => {
    if (Buffer.isBuffer(body)) return writeFile(draft, body, { flag: 'wx', signal });
    const handle = await open(draft, 'wx');
    try {
      // Each is written where the one before it ends.
      for await (const piece of piecesUntil(body, signal)) await handle.writeFile(piece);
    } finally {
      await handle.close();
    }
  };

  async function* list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    // The prefix may end in the middle of a name: the directory above is walked.
    const directory = path.posix.dirname(`${prefix}x`);
    const start = directory === '.' ? root : pathOfKey(root, directory);
    if (start === undefined) throw refuse('list', 'the prefix is no path below it', prefix);
    const home = await call('list', prefix, signal, () => realPathOf(root));
    const real = await call('list', prefix, signal, () => realPathOf(start));
    if (!isWithin(home, real)) throw refuse('list', 'the prefix leads out of the store', prefix);
    const keyOf = (file: string) => path.join(directory, path.relative(real, file));
    const wanted = (file: string) => `${keyOf(file)}/`.startsWith(prefix);
    const files = walk(real, wanted);
    for (;;) {
      const next = await call('list', prefix, signal, () => files.next());
      if (next.done) return;
      const key = keyOf(next.value);
      if (!key.startsWith(prefix)) continue;
      // What is found by its key is listed, whatever links lead to it.
      const file = await realpath(next.value).catch(() => undefined);
      const info = file !== undefined && isWithin(home, file) ? await statOf(file) : undefined;
      if (info?.isDirectory()) throw refuse('list', `${key} is a link to a directory, which is not followed`, prefix);
      if (info?.isFile()) yield { key, sizeBytes: Number(info.size), etag: etagOf(info) };
    }
  }

  return {
    name,
    get: (key, signal, { ifNoneMatch, ifMatch, startByte = 0 } = {}) =>
      call('get', key, signal, async () => {
        const real = await realpath(await fileOf('get', key));
        if (!isWithin(await realPathOf(root), real)) throw refuse('get', 'the key leads out of the store', key);
        // Not blocking: opening a named pipe would wait for a writer.
        const handle = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
        try {
          const info = await handle.stat({ bigint: true });
          if (!info.isFile()) throw new StoreError('missing', 'get failed: it is no file', { store: name, key });
          const etag = etagOf(info);
          if (etag === ifNoneMatch) {
            throw new StoreError('precondition', 'get failed: the object is still the same', { store: name, key });
          }
          if (ifMatch !== undefined && etag !== ifMatch) {
            throw new StoreError('precondition', 'get failed: the object is another one by now', { store: name, key });
          }
          const body = createReadStream('', { fd: handle, start: startByte, signal, highWaterMark: readChunkBytes });
          // It may be aborted before anybody reads it; whoever reads it then is told.
          body.on('error', () => undefined);
          return { body, sizeBytes: Number(info.size), etag };
        } catch (error) {
          await handle.close();
          throw error;
        }
      }),
    put: (key, body, options = {}) =>
      call('put', key, options.signal, async () => {
        try {
          const file = await fileOf('put', key);
          const draft = `${file}.studioml-${randomUUID()}`;
          await makeDirectory(path.dirname(file));
          try {
            await write(draft, body, options.signal);
            const info = await lstat(draft, { bigint: true });
            await publish(draft, file, key, options);
            return { etag: etagOf(info) };
          } finally {
            await rm(draft, { force: true });
          }
        } finally {
          closeUnread(body);
        }
      }),
    list,
    delete: (key, signal) =>
      call('delete', key, signal, async () => {
        await rm(await fileOf('delete', key), { force: true });
      }),
  };
};
