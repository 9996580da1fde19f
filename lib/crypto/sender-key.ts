import { createHash, createPublicKey, type KeyObject } from 'node:crypto';

/** A sender's public key. */
export interface SenderKey {
  readonly key: KeyObject;
  /** `SHA256:` and unpadded base64, as ssh-keygen -l shows it. */
  readonly fingerprint: string;
}

const expected = 'expected one line: ssh-ed25519 AAAA… comment';
const keyType = 'ssh-ed25519';
const keyBytes = 32;

/** The start of a public key's blob: its type and the length of what follows. Source: RFC 8709, section 4. */
const blobStart = Buffer.concat([lengthOf(keyType.length), Buffer.from(keyType), lengthOf(keyBytes)]);

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

/** The SSH fingerprint of a public key's blob. */
const fingerprintOf = (blob: Buffer): string =>
  `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;

/** The line of a public key file. */
export const formatSenderKey = (key: KeyObject, comment: string): string => {
  const { x = '' } = key.export({ format: 'jwk' });
  return `${keyType} ${Buffer.concat([blobStart, Buffer.from(x, 'base64url')]).toString('base64')} ${comment}\n`;
};

/**
 * A sender's public key from its file. Errors: what was found and what was expected; the contents are not shown.
 * Source: spec "Signing keys".
 */
export const readSenderKey = (bytes: Buffer): SenderKey => {
  const text = bytes.toString('latin1').trim();
  if (text.includes('PRIVATE KEY-----')) throw new Error(`it holds a private key; ${expected} (the public half)`);
  if (/[\r\n]/.test(text)) throw new Error(`it holds more than one line; ${expected}`);
  const [type = '', encoded = ''] = text.split(/[ \t]+/);
  if (type !== keyType) {
    const other = /^(ssh|ecdsa|sk)-[\w@.-]{1,40}$/.test(type) ? `a key of type ${type}` : 'no public key of SSH';
    throw new Error(`it holds ${other}; ${expected}`);
  }
  const blob = Buffer.from(encoded, 'base64');
  const wellFormed =
    blob.length === blobStart.length + keyBytes && blob.subarray(0, blobStart.length).equals(blobStart);
  if (!wellFormed || blob.toString('base64') !== encoded) throw new Error(`its key is cut off or damaged; ${expected}`);
  const x = blob.subarray(blobStart.length).toString('base64url');
  return {
    key: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
    fingerprint: fingerprintOf(blob),
  };
};
