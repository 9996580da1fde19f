import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { AttemptError } from '../errors.ts';
import { decodeBase64 } from './base64.ts';
import type { ClusterKey } from './cluster-key.ts';
import { nonceBytes, symmetricKeyBytes } from './seal.ts';

const tagBytes = 16;

const unopenable = (what: string): AttemptError => new AttemptError('unopenable', what);

/** A payload in its two parts, before anything is spent on it. */
const partsOf = (payload: string): { readonly sealedKey: Buffer; readonly box: Buffer } => {
  const [keyText = '', boxText, more] = payload.split(',', 3);
  if (boxText === undefined || more !== undefined)
    throw unopenable('its payload is not of the form BASE64(key),BASE64(box)');
  const sealedKey = decodeBase64(keyText);
  const box = decodeBase64(boxText);
  if (!sealedKey || !box) throw unopenable('its payload is not base64');
  if (sealedKey.length === 0) throw unopenable('its payload has no key');
  if (box.length < nonceBytes + tagBytes) throw unopenable('the box in its payload is cut off');
  return { sealedKey, box };
};

/** By the thread pool: one RSA step takes milliseconds. Undefined where it is sealed for another key. */
const openKey = async (sealedKey: Buffer, { decrypt, sealedBytes }: ClusterKey): Promise<Buffer | undefined> => {
  if (sealedKey.length !== sealedBytes) return undefined;
  try {
    return Buffer.from(await decrypt(sealedKey));
  } catch {
    return undefined;
  }
};

/**
 * What is sealed in a payload: RSA-OAEP (SHA-256, for MGF1 as well), then a NaCl secretbox.
 * Errors: AttemptError `no-key` where none of the keys is the one that it is sealed for; `unopenable` where it can't be a
 * payload, or is opened with the right key and still wrong.
 * @param keys tried in their order
 * Source: spec "Encrypted request".
 */
export const openPayload = async (payload: string, keys: readonly ClusterKey[]): Promise<Buffer> => {
  const { sealedKey, box } = partsOf(payload);
  for (const key of keys) {
    const symmetric = await openKey(sealedKey, key);
    if (symmetric === undefined) continue;
    if (symmetric.length !== symmetricKeyBytes) throw unopenable('the key in its payload has not 32 bytes');
    try {
      const plain = xsalsa20poly1305(symmetric, box.subarray(0, nonceBytes)).decrypt(box.subarray(nonceBytes));
      return Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
    } catch {
      throw unopenable('the box in its payload is damaged, or closed with another key than the one beside it');
    }
  }
  throw new AttemptError('no-key', "the message is sealed for another key than this runner's cluster key");
};
