import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';

/** Keys of an account, as AWS names them. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** What is signed of a request. `path` and the names and values of `query` as sent, the latter not encoded yet. */
export interface Signable {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

/** Gives the headers of a request with its signature added. */
export type Sign = (request: Signable, region: string) => Promise<Record<string, string>>;

const emptySha256 = createHash('sha256').digest('hex');

/** SHA-256 of Node in the shape the signer wants. */
class Sha256 {
  readonly #hash;
  constructor(key?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash =
      key === undefined
        ? createHash('sha256')
        : createHmac('sha256', typeof key === 'string' || ArrayBuffer.isView(key) ? (key as string | Uint8Array) : Buffer.from(key));
  }
  update(data: Uint8Array | string): void {
    this.#hash.update(data);
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
  reset(): void {
    throw new Error('a hash is used once');
  }
}

/**
 * A signer for S3, AWS Signature Version 4; the body's hash is part of what is signed, so damage on the way is found.
 * @param credentials keys, or where to get them (they may change); undefined: requests go unsigned
 */
export const createSign = (credentials: S3Credentials | (() => Promise<S3Credentials>) | undefined): Sign => {
  if (credentials === undefined) return ({ headers }) => Promise.resolve({ ...headers });
  const signer = new SignatureV4({
    service: 's3',
    region: 'us-east-1',
    credentials: typeof credentials === 'function' ? credentials : withoutUndefinedToken(credentials),
    sha256: Sha256,
    uriEscapePath: false,
  });
  return async ({ method, path, query, headers, body }, region) => {
    const sha256 = body === undefined || body.length === 0 ? emptySha256 : createHash('sha256').update(body).digest('hex');
    const signed = await signer.sign(
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

const withoutUndefinedToken = ({ accessKeyId, secretAccessKey, sessionToken }: S3Credentials) => ({
  accessKeyId,
  secretAccessKey,
  ...(sessionToken ? { sessionToken } : {}),
});
