import { text } from 'node:stream/consumers';
import { StoreError } from '../../errors.ts';
import type { ObjectInfo } from '../object-store.ts';
import type { S3Bucket } from './bucket.ts';
import { exchange } from './exchange.ts';
import { contentsOf, elementOf } from './xml.ts';

/** Keys are asked for URL-encoded, since XML can't hold every character. A space comes as `+`. */
const decoded = (key: string, isEncoded: boolean): string =>
  isEncoded ? decodeURIComponent(key.replaceAll('+', ' ')) : key;

/** Every object below a prefix, page by page. Source: S3 API reference, ListObjectsV2. */
export async function* listObjects(
  bucket: S3Bucket,
  names: { readonly Bucket: string; readonly store: string },
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<ObjectInfo, void, undefined> {
  const { Bucket, store } = names;
  const nonsense = (why: string) => new StoreError('invalid', `list failed: ${why}`, { store, prefix });
  let token: string | undefined;
  do {
    const query = {
      'list-type': '2',
      'encoding-type': 'url',
      prefix,
      ...(token === undefined ? {} : { 'continuation-token': token }),
    };
    const page = await bucket.call({ operation: 'list', signal, repeatable: true }, async (sdk, client, options) =>
      text((await exchange(sdk, client, { method: 'GET', Bucket, Key: '', query }, options)).body),
    );
    if (elementOf(page, 'Name') === undefined) throw nonsense('the reply is no listing');
    const isEncoded = elementOf(page, 'EncodingType') === 'url';
    for (const row of contentsOf(page, 'Contents')) {
      const key = elementOf(row, 'Key');
      if (key === undefined) throw nonsense('a row without a key');
      yield {
        key: decoded(key, isEncoded),
        sizeBytes: Number(elementOf(row, 'Size') ?? 0),
        etag: elementOf(row, 'ETag'),
      };
    }
    const next = elementOf(page, 'IsTruncated') === 'true' ? elementOf(page, 'NextContinuationToken') : undefined;
    // What a server answers that knows ListObjects only.
    if (next === undefined && elementOf(page, 'IsTruncated') === 'true') throw nonsense('it goes on, but not where');
    if (next !== undefined && next === token) throw nonsense('the same page again');
    token = next;
  } while (token !== undefined);
}
