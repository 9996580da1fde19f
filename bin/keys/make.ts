import { generateKeyPair, randomBytes, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { clusterFiles } from '../../lib/crypto/keyring.ts';
import { formatSenderKey, readSenderKey } from '../../lib/crypto/sender-key.ts';
import type { KeysWanted } from './arguments.ts';

/** One file of a set of keys. */
export interface MadeFile {
  readonly path: string;
  readonly text: string;
  readonly secret: boolean;
  /** What it is, and who gets it. */
  readonly purpose: string;
}

export interface MadeKeys {
  readonly kind: KeysWanted['kind'];
  readonly files: readonly MadeFile[];
  /** The public part, as others get it. */
  readonly public: string;
  readonly fingerprint?: string;
}

const generate = promisify(generateKeyPair);
const clusterBits = 4096;

const rsaPair = () => generate('rsa', { modulusLength: clusterBits, publicExponent: 0x10001 });
const publicPem = (key: KeyObject): string => key.export({ type: 'pkcs1', format: 'pem' }) as string;
const encryptedPem = (key: KeyObject, passphrase: string): string =>
  key.export({ type: 'pkcs1', format: 'pem', cipher: 'aes-256-cbc', passphrase }) as string;

/** The pair that requests are sealed for. */
export const makeCluster = async ({ certsDir }: KeysWanted): Promise<MadeKeys> => {
  const { privateKey, publicKey } = await rsaPair();
  const passphrase = randomBytes(24).toString('base64url');
  const files = clusterFiles(join(certsDir, 'message'));
  const pem = publicPem(publicKey);
  return {
    kind: 'cluster',
    public: pem,
    files: [
      {
        path: files.privateKey,
        text: encryptedPem(privateKey, passphrase),
        secret: true,
        purpose: 'opens requests; stays with the runners of this cluster, all of which have the same',
      },
      {
        path: files.passphrase,
        text: passphrase,
        secret: true,
        purpose: 'opens the private key; stays with the runners',
      },
      { path: files.publicKey, text: pem, secret: false, purpose: 'seals requests; goes to everyone who sends some' },
    ],
  };
};

/** Keys of others are kept out of the directories that runners read. */
const handedOver = (certsDir: string, name: string): string => join(certsDir, 'hand-over', name);

/** The pair that a sender signs requests with. */
export const makeSender = async ({ certsDir, prefix }: KeysWanted): Promise<MadeKeys> => {
  const { privateKey, publicKey } = await generate('ed25519');
  const line = formatSenderKey(publicKey, `sender-of-${prefix}`);
  return {
    kind: 'sender',
    public: line,
    fingerprint: readSenderKey(Buffer.from(line)).fingerprint,
    files: [
      {
        path: join(certsDir, 'queues/signing', prefix),
        text: line,
        secret: false,
        purpose: `tells runners who may send to queues that begin with ${prefix}; from then on nothing else is accepted there`,
      },
      {
        path: handedOver(certsDir, `${prefix}.sender.pem`),
        text: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
        secret: true,
        purpose: 'signs requests; goes to the sender alone, runners do not need it: move it there',
      },
    ],
  };
};

/** The pair that a listener opens reports with. */
export const makeResponse = async ({ certsDir, prefix }: KeysWanted): Promise<MadeKeys> => {
  const { privateKey, publicKey } = await rsaPair();
  const passphrase = randomBytes(24).toString('base64url');
  const pem = publicPem(publicKey);
  return {
    kind: 'response',
    public: pem,
    files: [
      {
        path: join(certsDir, 'queues/response-encrypt', prefix),
        text: pem,
        secret: false,
        purpose: `seals reports to response queues that begin with ${prefix}; stays with the runners`,
      },
      {
        path: handedOver(certsDir, `${prefix}.response.pem`),
        text: encryptedPem(privateKey, passphrase),
        secret: true,
        purpose: 'opens reports; goes to the listener alone, runners do not need it: move it there',
      },
      {
        path: handedOver(certsDir, `${prefix}.response.passphrase`),
        text: passphrase,
        secret: true,
        purpose: 'opens the private key of the listener; goes with it',
      },
    ],
  };
};
