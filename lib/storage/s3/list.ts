import { StoreError } from '../../errors.ts';
import type { ObjectInfo } from '../object-store.ts';
import type { S3Client } from './client.ts';
import { elements, textOf } from './xml.ts';

/** Keys are asked for URL-encoded, since XML can't hold every character. A space comes as `+`. */
const decoded = (key: string, isEncoded: boolean): string =>
  isEncoded ? decodeURIComponent(key.replaceAll('+', ' ')) : key;

/** Every object below a prefix, page by page. Source: S3 API reference, ListObjectsV2. */
export async function* listObjects(
  client: S3Client,
  store: string,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<ObjectInfo, void, undefined> {
  const nonsense = (why: string) => new StoreError('invalid', `list failed: ${why}`, { store, prefix });
  let token: string | undefined;
  do {
    const query = {
      'encoding-type': 'url',
      'list-type': '2',
      prefix,
      ...(token === undefined ? {} : { 'continuation-token': token }),
    };
    const { text } = await client.text({ operation: 'list', method: 'GET', query, signal, repeatable: true });
    if (!text.includes('<ListBucketResult')) throw nonsense('the reply is no listing');
    const isEncoded = textOf(text, 'EncodingType') === 'url';
    for (const row of elements(text, 'Contents')) {
      const key = textOf(row, 'Key');
      if (key === undefined) throw nonsense('a row without a key');
      yield { key: decoded(key, isEncoded), sizeBytes: Number(textOf(row, 'Size')), etag: textOf(row, 'ETag') };
    }
    const next = textOf(text, 'IsTruncated') === 'true' ? textOf(text, 'NextContinuationToken') : undefined;
    if (next !== undefined && next === token) throw nonsense('the same page again');
    token = next;
  } while (token !== undefined);
}
