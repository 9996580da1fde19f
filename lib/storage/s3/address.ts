import type { S3Client } from '@aws-sdk/client-s3';
import type * as Sdk from './sdk.ts';

/** Where the objects of a bucket are, and what requests for them are signed for. */
export interface BucketAddress {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  /** The header. */
  readonly host: string;
  /** What comes before the key in a path. */
  readonly prefix: string;
  readonly signing: { readonly signingRegion: string; readonly signingService: string } | undefined;
}

/** What the SDK is about to sign. */
interface Unsigned {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What it has chosen for that, once it is about to sign. */
interface Chosen {
  readonly authSchemes?: readonly {
    readonly name: string;
    readonly signingRegion: string;
    readonly signingName: string;
  }[];
}

/** How the SDK asks for this bucket, by its own rules: one request that it makes and that is not sent. Errors: the SDK's. */
const find = async (sdk: typeof Sdk, client: S3Client, Bucket: string): Promise<BucketAddress> => {
  let found: BucketAddress | undefined;
  const command = new sdk.ListObjectsV2Command({ Bucket });
  command.middlewareStack.addRelativeTo(
    (_next: unknown, context: Chosen) =>
      ({ request }: { readonly request: unknown }) => {
        const { protocol, hostname, port, path, headers } = request as Unsigned;
        const scheme = context.authSchemes?.find(({ name }) => name !== 'sigv4a');
        found = {
          protocol,
          hostname,
          ...(port === undefined ? {} : { port }),
          host: headers['host'] ?? hostname,
          prefix: path.replace(/\/*$/, '/'),
          signing: scheme && { signingRegion: scheme.signingRegion, signingService: scheme.signingName },
        };
        return Promise.resolve({ response: {}, output: { $metadata: {} } });
      },
    { relation: 'before', toMiddleware: 'httpSigningMiddleware' },
  );
  await client.send(command);
  if (!found) throw new Error('the SDK made no request');
  return found;
};

const addresses = new WeakMap<S3Client, Map<string, Promise<BucketAddress>>>();

/** The address of a bucket, found once for each client. Errors: the SDK's, for example for what is no name of a bucket. */
export const addressOf = (sdk: typeof Sdk, client: S3Client, Bucket: string): Promise<BucketAddress> => {
  const known = addresses.get(client) ?? new Map<string, Promise<BucketAddress>>();
  addresses.set(client, known);
  const before = known.get(Bucket);
  if (before) return before;
  const address = find(sdk, client, Bucket);
  known.set(Bucket, address);
  address.catch(() => known.delete(Bucket));
  return address;
};
