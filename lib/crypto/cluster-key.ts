import { createPrivateKey, createPublicKey, webcrypto, type KeyObject } from 'node:crypto';
import { availableParallelism } from 'node:os';

/** A cluster's private key, ready for use. */
export interface ClusterKey {
  /** RSA-OAEP, SHA-256, on the thread pool. Rejects where it is not sealed for this key. */
  readonly decrypt: (sealed: Buffer) => Promise<ArrayBuffer>;
  /** Bytes of what is sealed with it. */
  readonly sealedBytes: number;
  /** The public half, PKCS#1 in PEM: tells keys apart, and is what clients get. */
  readonly publicPem: string;
}

const expected = 'expected PEM, BEGIN RSA PRIVATE KEY';
const minBits = 2048;

const publicPemOf = (key: KeyObject): string =>
  (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'pkcs1', format: 'pem' }) as string;

/** Threads of Node's pool that one key may keep busy. */
const threads = Math.min(4, availableParallelism());

/** Node holds a lock on a key while it works with it, so one key is one thread: copies take turns. */
const decryptWith = (key: KeyObject): ClusterKey['decrypt'] => {
  const der = key.export({ type: 'pkcs1', format: 'der' });
  const copies = Array.from({ length: threads }, () =>
    createPrivateKey({ key: der, format: 'der', type: 'pkcs1' }).toCryptoKey(
      { name: 'RSA-OAEP', hash: 'SHA-256' },
      false,
      ['decrypt'],
    ),
  );
  let turn = 0;
  return async sealed => {
    const copy = copies[turn++ % copies.length];
    if (!copy) throw new Error('a key has at least one copy');
    return webcrypto.subtle.decrypt({ name: 'RSA-OAEP' }, copy, sealed);
  };
};

/** People write files with a newline at their end that is no part of the passphrase. */
const withoutNewline = (passphrase: string): string => passphrase.replace(/\r?\n$/, '');

const readPrivateKey = (pem: string, passphrase: Buffer | undefined): KeyObject => {
  const text = passphrase?.toString();
  const tries = text === undefined ? [undefined] : [...new Set([withoutNewline(text), text])];
  for (const one of tries) {
    try {
      return createPrivateKey({ key: pem, format: 'pem', ...(one === undefined ? {} : { passphrase: one }) });
    } catch {
      // OpenSSL's words differ by kind of file and version; what is wrong is told below.
    }
  }
  const encrypted = /ENCRYPTED/.test(pem);
  if (encrypted && passphrase === undefined) throw new Error('it is encrypted, and there is no passphrase for it');
  throw new Error(
    encrypted ? 'the passphrase does not open it, or it is damaged' : `it is cut off or damaged; ${expected}`,
  );
};

/**
 * A cluster's private key from its file.
 * Errors: what was found and what was expected; neither contents nor passphrase are shown.
 * @param passphrase the bytes of its file; not looked at where the key is not encrypted
 * Source: spec "Encrypted request", Keys.
 */
export const readClusterKey = (bytes: Buffer, passphrase?: Buffer): ClusterKey => {
  const pem = bytes.toString('latin1');
  if (pem.includes('BEGIN OPENSSH PRIVATE KEY')) {
    throw new Error(`it is in OpenSSH's own format; ${expected} (ssh-keygen -p -m PEM -f FILE rewrites it)`);
  }
  if (/BEGIN (RSA )?PUBLIC KEY|^ssh-/.test(pem)) throw new Error(`it holds a public key; ${expected}`);
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) throw new Error(`it holds no private key in PEM; ${expected}`);
  const key = readPrivateKey(pem, passphrase);
  const { asymmetricKeyType: type = 'unknown', asymmetricKeyDetails: { modulusLength = 0 } = {} } = key;
  if (type !== 'rsa') throw new Error(`it holds a key of type ${type}; ${expected}`);
  if (modulusLength < minBits) {
    throw new Error(`its key has ${String(modulusLength)} bits; expected ${String(minBits)} or more`);
  }
  return {
    decrypt: decryptWith(key),
    sealedBytes: modulusLength / 8,
    publicPem: publicPemOf(key),
  };
};
