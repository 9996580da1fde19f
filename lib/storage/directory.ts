import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { finished, pipeline } from 'node:stream/promises';
import { asError, messageOf, StoreError } from '../errors.ts';
import type { ObjectInfo, ObjectStore, PutOptions } from './object-store.ts';

export interface DirectoryPlace {
  /** Absolute. One bucket. Made when something is stored. */
  readonly root: string;
}

/** Unfinished objects: beside their place, so that a rename is enough; no listing shows them. */
const partial = /\.studioml-[0-9a-f-]{36}$/;

const directoryError = (thrown: unknown, store: string, key: string): StoreError => {
  if (thrown instanceof StoreError) return thrown;
  const error = asError(thrown) as NodeJS.ErrnoException;
  const codes: Readonly<Record<string, StoreError['code']>> = {
    ENOENT: 'missing',
    ENOTDIR: 'missing',
    EISDIR: 'missing',
    EACCES: 'denied',
    EPERM: 'denied',
    EEXIST: 'precondition',
    ENAMETOOLONG: 'invalid',
    EINVAL: 'invalid',
  };
  return new StoreError(codes[error.code ?? ''] ?? 'unavailable', messageOf(error), { store, key }, { cause: error });
};

const etagOf = (info: { readonly ino: bigint; readonly size: bigint; readonly mtimeNs: bigint }): string =>
  `"${createHash('sha1')
    .update(`${String(info.ino)}-${String(info.size)}-${String(info.mtimeNs)}`)
    .digest('hex')}"`;

/**
 * A directory as a bucket: a key is a path below it. An object is written beside its place and renamed into it, so a reader sees
 * the old one or the new one. `ifNoneMatch` is exact (a hard link decides); `ifMatch` looks just before the rename, which
 * leaves two writers on different machines a gap that a file system gives no means to close.
 */
export const createDirectoryStore = ({ root }: DirectoryPlace): ObjectStore => {
  const name = `file://${root}`;

  const pathOf = (key: string): string => {
    const clean = normalize(key);
    if (
      key === '' ||
      key.includes('\0') ||
      clean.startsWith('/') ||
      clean === '..' ||
      clean.startsWith('../') ||
      clean.endsWith('/')
    ) {
      throw new StoreError('invalid', 'the key is no path below the directory', { store: name, key });
    }
    return join(root, clean);
  };
  const call = async <T>(key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> => {
    try {
      signal?.throwIfAborted();
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      throw directoryError(error, name, key);
    }
  };
  const etagAt = async (path: string): Promise<string | undefined> =>
    stat(path, { bigint: true }).then(etagOf, () => undefined);

  const publish = async (draft: string, path: string, { ifMatch, ifNoneMatch }: PutOptions): Promise<void> => {
    if (ifNoneMatch) {
      await link(draft, path);
      return;
    }
    if (ifMatch !== undefined && (await etagAt(path)) !== ifMatch) {
      throw new StoreError('precondition', 'the object is another one by now', {
        store: name,
        key: path.slice(root.length + 1),
      });
    }
    await rename(draft, path);
  };

  async function* list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    // The prefix may end in the middle of a name: its directory is walked.
    const directory = prefix.includes('/') ? prefix.slice(0, prefix.lastIndexOf('/')) : '';
    const start = directory === '' ? root : await call(prefix, signal, () => Promise.resolve(pathOf(directory)));
    const entries = await readdir(start, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
      const failed = directoryError(error, name, prefix);
      if (failed.code === 'missing') return [];
      throw failed;
    });
    for (const entry of entries) {
      signal?.throwIfAborted();
      const key = join(entry.parentPath, entry.name).slice(root.length + 1);
      if (!entry.isFile() || !key.startsWith(prefix) || partial.test(entry.name)) continue;
      const info = await stat(join(root, key), { bigint: true }).catch(() => undefined);
      if (info) yield { key, sizeBytes: Number(info.size), etag: etagOf(info) };
    }
  }

  return {
    name,
    get: (key, signal) =>
      call(key, signal, async () => {
        const handle = await open(pathOf(key), 'r');
        try {
          const info = await handle.stat({ bigint: true });
          if (!info.isFile()) throw new StoreError('missing', 'it is no file', { store: name, key });
          const body = createReadStream('', { fd: handle, signal, highWaterMark: 256 * 1024 });
          return { body, sizeBytes: Number(info.size), etag: etagOf(info) };
        } catch (error) {
          await handle.close();
          throw error;
        }
      }),
    put: (key, body, options = {}) =>
      call(key, options.signal, async () => {
        const path = pathOf(key);
        const draft = `${path}.studioml-${randomUUID()}`;
        await mkdir(dirname(path), { recursive: true });
        try {
          const file = createWriteStream(draft, { flags: 'wx' });
          if (Buffer.isBuffer(body)) {
            file.end(body);
            await finished(file);
          } else await pipeline(body, file, { signal: options.signal });
          await publish(draft, path, options);
          return { etag: await etagAt(path) };
        } finally {
          await rm(draft, { force: true });
        }
      }),
    list,
    delete: (key, signal) => call(key, signal, () => rm(pathOf(key), { force: true })),
  };
};
