import { isStoreError, StoreError } from '../errors.ts';
import { closeUnread, type Pieces } from '../flow/pieces.ts';
import { orAborted } from '../flow/wait.ts';
import { gcsClientFor, type GcsCredentials } from './gcs/clients.ts';
import { gcsErrorOf } from './gcs/errors.ts';
import { readGcs } from './gcs/get.ts';
import { putGcs } from './gcs/put.ts';
import type { ObjectInfo, ObjectStore } from './object-store.ts';

export interface GcsPlace {
  readonly bucket: string;
  readonly credentials: GcsCredentials;
  /** Default: Google's, or what STORAGE_EMULATOR_HOST says. */
  readonly endpoint?: string;
  /** Time without any data, ms. Default 60,000. */
  readonly idleMs?: number;
}

const pageSize = 1000;

/**
 * A bucket of Google Cloud Storage; etags are generations. A stream that ends within 8 MiB is stored by one call, a longer one in
 * pieces; of a put that fails nothing can be seen, what came of it is forgotten by Google after a week.
 * Errors: StoreError; a stream's own error where that fails; the signal's reason. Source: Cloud Storage JSON API reference.
 */
export const createGcsStore = ({ bucket, credentials, endpoint, idleMs = 60_000 }: GcsPlace): ObjectStore => {
  const name = `gs://${bucket}`;
  const files = async () => (await gcsClientFor({ credentials, endpoint })).bucket(bucket);
  const call = async <T>(operation: string, key: string, signal: AbortSignal | undefined, work: () => Promise<T>) => {
    try {
      signal?.throwIfAborted();
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      throw gcsErrorOf(operation, error, { store: name, key });
    }
  };
  const checked = (operation: string, key: string): string => {
    const climbs = key.split('/').some(part => part === '.' || part === '..');
    if (key !== '' && !climbs && !/[\0\r\n]/.test(key) && key.isWellFormed()) return key;
    throw new StoreError('invalid', `${operation} failed: not a key of an object`, { store: name, key });
  };

  return {
    name,
    get: (key, signal, { ifMatch, ifNoneMatch, startByte = 0 } = {}) =>
      call('get', key, signal, async () => {
        const where = { store: name, key };
        const pinned = ifMatch === undefined ? {} : { generation: ifMatch };
        const file = (await files()).file(checked('get', key), pinned);
        try {
          const object = await readGcs({ file, startByte, signal, idleMs, where });
          if (ifNoneMatch === undefined || object.etag !== ifNoneMatch) return object;
          object.body.destroy();
        } catch (error) {
          // That generation is gone.
          const isOther = isStoreError(error, 'missing') && ifMatch !== undefined;
          if (!isOther) throw error;
          throw new StoreError('precondition', 'get failed: the object is another one by now', where);
        }
        throw new StoreError('precondition', 'get failed: the object is still the same', where);
      }),
    put: async (key, body, options = {}) => {
      // What the body itself says is told as it is.
      let own: { readonly error: unknown } | undefined;
      const noted = async function* (pieces: Pieces): AsyncGenerator<Buffer> {
        try {
          yield* pieces;
        } catch (error) {
          own = { error };
          throw error;
        }
      };
      try {
        return await call('put', key, options.signal, async () => ({
          etag: await putGcs(
            (await files()).file(checked('put', key)),
            Buffer.isBuffer(body) ? body : noted(body),
            options,
          ),
        }));
      } catch (error) {
        closeUnread(body);
        options.signal?.throwIfAborted();
        throw own ? own.error : error;
      }
    },
    list: async function* (prefix, signal): AsyncGenerator<ObjectInfo> {
      let pageToken: string | undefined;
      do {
        const query = { prefix, autoPaginate: false, maxResults: pageSize, ...(pageToken ? { pageToken } : {}) };
        const [page, next] = await call('list', prefix, signal, async () => {
          const asked = (await files()).getFiles(query);
          return signal ? orAborted(asked, signal) : asked;
        });
        for (const { name: key, metadata } of page) {
          yield { key, sizeBytes: Number(metadata.size ?? 0), etag: String(metadata.generation ?? '') };
        }
        pageToken = (next as { readonly pageToken?: string } | null)?.pageToken;
      } while (pageToken !== undefined);
    },
    delete: (key, signal) =>
      call('delete', key, signal, async () => {
        const deleting = (await files()).file(checked('delete', key)).delete({ ignoreNotFound: true });
        await (signal ? orAborted(deleting, signal) : deleting);
      }),
  };
};
