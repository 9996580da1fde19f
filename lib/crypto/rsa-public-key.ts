import { createPublicKey, type KeyObject } from 'node:crypto';

const expected = 'expected PEM, BEGIN RSA PUBLIC KEY';

/** Shorter ones can be factored; a cluster's has 4096. */
const minBits = 2048;

/**
 * An RSA public key from its file: PKCS#1, or the SubjectPublicKeyInfo that openssl writes. Errors: what was found and what was
 * expected; the contents are not shown.
 * Source: spec "Encrypted request", "Reports".
 */
export const readRsaPublicKey = (bytes: Buffer): KeyObject => {
  const text = bytes.toString('latin1');
  if (text.includes('PRIVATE KEY-----')) throw new Error(`it holds a private key; ${expected} (the public half)`);
  if (!/-----BEGIN (RSA )?PUBLIC KEY-----/.test(text)) throw new Error(`it holds no public key in PEM; ${expected}`);
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch {
    throw new Error(`its key is cut off or damaged; ${expected}`);
  }
  const { asymmetricKeyType: type = 'unknown', asymmetricKeyDetails: { modulusLength = 0 } = {} } = key;
  if (type !== 'rsa') throw new Error(`it holds a key of type ${type}; ${expected}`);
  if (modulusLength < minBits) {
    throw new Error(`its key has ${String(modulusLength)} bits; expected ${String(minBits)} or more`);
  }
  return key;
};
