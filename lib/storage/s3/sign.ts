import { createHash, createHmac } from 'node:crypto';
import type { Credentials } from '../../model/experiment.ts';

/** How requests are signed: with keys, not at all, or with what the runner's own AWS chain finds (role, profile, environment). */
export type S3Credentials =
  Extract<Credentials, { type: 'aws' }> | { readonly type: 'anonymous' } | { readonly type: 'runner' };

/** What is signed of a request. `path` as it is sent, `query` not encoded yet. */
export interface Signable {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

/** Gives the headers of a request with its signature added. */
export type Sign = (request: Signable, region: string) => Promise<Readonly<Record<string, string>>>;

type Bytes = string | ArrayBuffer | ArrayBufferView;
const viewOf = (bytes: Bytes): string | Uint8Array => {
  if (typeof bytes === 'string') return bytes;
  return ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
};

/** Node's SHA-256 in the shape that the signer wants. */
class Sha256 {
  readonly #hash;
  constructor(key?: Bytes) {
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', viewOf(key));
  }
  update(data: Uint8Array): void {
    this.#hash.update(data);
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
  reset(): void {
    throw new Error('a hash is used once');
  }
}

/** The runner's own chain, which remembers what it found until that expires. */
const findRunnerCredentials = async () => (await import('@aws-sdk/credential-provider-node')).defaultProvider();
let runnerCredentials: ReturnType<typeof findRunnerCredentials> | undefined;

const createSigner = async (credentials: Exclude<S3Credentials, { type: 'anonymous' }>) => {
  const { SignatureV4 } = await import('@smithy/signature-v4');
  return new SignatureV4({
    service: 's3',
    region: 'us-east-1',
    credentials:
      credentials.type === 'runner'
        ? await (runnerCredentials ??= findRunnerCredentials())
        : {
            accessKeyId: credentials.accessKey,
            secretAccessKey: credentials.secretAccessKey,
            ...(credentials.sessionToken ? { sessionToken: credentials.sessionToken } : {}),
          },
    sha256: Sha256,
    uriEscapePath: false,
  });
};

/**
 * A signer for S3, AWS Signature Version 4; the body's hash is part of what is signed, so damage on the way is found. The
 * library is loaded with the first signature.
 */
export const createSign = (credentials: S3Credentials): Sign => {
  if (credentials.type === 'anonymous') return ({ headers }) => Promise.resolve(headers);
  let signer: ReturnType<typeof createSigner> | undefined;
  return async ({ method, path, query, headers, body }, region) => {
    const sha256 = createHash('sha256')
      .update(body ?? '')
      .digest('hex');
    const signed = await (
      await (signer ??= createSigner(credentials))
    ).sign(
      {
        method,
        path,
        query: { ...query },
        headers: { ...headers, 'x-amz-content-sha256': sha256 },
        protocol: 'http:',
        hostname: '',
      },
      { signingRegion: region },
    );
    return signed.headers;
  };
};
