import type { SignedGet } from '../object-store.ts';
import type { S3Bucket } from './bucket.ts';
import type { S3ClientOptions } from './clients.ts';

/** What the SDK is about to send. */
interface Signed {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
}

const queryOf = (query: Signed['query'] = {}): string =>
  Object.entries(query)
    .flatMap(([name, value]) => [value].flat().map(one => [name, one ?? ''].map(encodeURIComponent).join('=')))
    .join('&');

/** A GET that the SDK has signed and not sent. Errors: StoreError where there are no credentials; the signal's reason. */
export const signGet = async (
  bucket: S3Bucket,
  input: { readonly Bucket: string; readonly Key: string; readonly IfMatch: string; readonly Range?: string },
  { tls, connectMs, idleMs }: Pick<S3ClientOptions, 'tls' | 'connectMs' | 'idleMs'>,
  signal: AbortSignal,
): Promise<SignedGet> => {
  let signed: Signed | undefined;
  await bucket.call({ operation: 'get', key: input.Key, signal, repeatable: true }, (sdk, client, sending) => {
    const command = new sdk.GetObjectCommand(input);
    command.middlewareStack.addRelativeTo(
      () => (args: { readonly request: unknown }) => {
        signed = args.request as Signed;
        return Promise.resolve({ response: {}, output: { $metadata: {} } });
      },
      { relation: 'after', toMiddleware: 'httpSigningMiddleware' },
    );
    return client.send(command, sending);
  });
  if (!signed) throw new Error('the SDK signed nothing');
  const { protocol, hostname, port, path, query, headers } = signed;
  const isTls = protocol === 'https:';
  const asked = queryOf(query);
  return {
    tls: isTls ? (tls?.pem ?? {}) : undefined,
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port ?? (isTls ? 443 : 80),
    path: asked === '' ? path : `${path}?${asked}`,
    headers: { ...headers },
    connectMs,
    idleMs,
  };
};
