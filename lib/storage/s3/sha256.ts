import { createHash, createHmac } from 'node:crypto';

type Secret = string | ArrayBuffer | ArrayBufferView;
type Hmac = ReturnType<typeof createHmac>;
type Hash = ReturnType<typeof createHash>;

const bytesOf = (secret: ArrayBuffer | ArrayBufferView): Buffer =>
  ArrayBuffer.isView(secret) ? Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength) : Buffer.from(secret);

/** Node makes and catches two errors for each key that comes as bytes, before it takes it: several times the work of the HMAC. */
const hmacOf = (secret: Secret): Hmac =>
  typeof secret === 'string'
    ? createHmac('sha256', secret)
    : createHmac('sha256', bytesOf(secret).toString('latin1'), { encoding: 'latin1' });

/**
 * SHA-256, or with a secret its HMAC, as the SDK's signer asks for it.
 * Source: `Checksum` of @smithy/types.
 */
export class Sha256 {
  readonly #secret: Secret | undefined;
  #hash: Hash | Hmac;

  constructor(secret?: Secret) {
    this.#secret = secret;
    this.#hash = this.#create();
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  /** Once. */
  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }

  reset(): void {
    this.#hash = this.#create();
  }

  #create(): Hash | Hmac {
    return this.#secret === undefined ? createHash('sha256') : hmacOf(this.#secret);
  }
}
