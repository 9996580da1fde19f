import { StoreError } from '../../errors.ts';
import type { ObjectInfo } from '../object-store.ts';
import type { S3Bucket } from './bucket.ts';

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
    const input = { Bucket, EncodingType: 'url', Prefix: prefix, ContinuationToken: token } as const;
    const page = await bucket.call({ operation: 'list', signal, repeatable: true }, (sdk, client, options) =>
      client.send(new sdk.ListObjectsV2Command(input), options),
    );
    if (page.Name === undefined) throw nonsense('the reply is no listing');
    for (const { Key, Size, ETag } of page.Contents ?? []) {
      if (Key === undefined) throw nonsense('a row without a key');
      yield { key: decoded(Key, page.EncodingType === 'url'), sizeBytes: Size ?? 0, etag: ETag };
    }
    const next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    if (next !== undefined && next === token) throw nonsense('the same page again');
    token = next;
  } while (token !== undefined);
}
