import { randomBytes, webcrypto, type KeyObject } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';

/** Sizes of a secretbox's parts, bytes. */
export const symmetricKeyBytes = 32;
export const nonceBytes = 24;

/** Makes sealed texts that only the holder of one private key can open. */
export type Sealer = (plain: Uint8Array) => Promise<string>;

/**
 * Seal bytes for the holder of an RSA key: `BASE64(key),BASE64(box)`, each time with a new symmetric key. The key goes through
 * RSA-OAEP (SHA-256, for MGF1 as well), on a thread of the pool; the box is a nonce and then a NaCl secretbox.
 * @param publicKey of kind RSA; 2048 bits or more
 * Source: spec "Encrypted request".
 */
export const createSealer = (publicKey: KeyObject): Sealer => {
  const key = publicKey.toCryptoKey({ name: 'RSA-OAEP', hash: 'SHA-256' }, false, ['encrypt']);
  return async plain => {
    const symmetric = randomBytes(symmetricKeyBytes);
    const nonce = randomBytes(nonceBytes);
    const sealedKey = await webcrypto.subtle.encrypt({ name: 'RSA-OAEP' }, key, symmetric);
    const box = xsalsa20poly1305(symmetric, nonce).encrypt(plain);
    return `${Buffer.from(sealedKey).toString('base64')},${Buffer.concat([nonce, box]).toString('base64')}`;
  };
};
