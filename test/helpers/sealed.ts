import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { createSealer, type Sealer } from '../../lib/crypto/seal.ts';
import { formatSenderKey, readSenderKey, type SenderKey } from '../../lib/crypto/sender-key.ts';
import { fixture } from './recorded.ts';

/** A sender as a client has it: seals for a cluster and signs. */
export interface Sender {
  /** The line for the runner's directory of signing keys. */
  readonly line: string;
  readonly key: SenderKey;
  readonly sign: (payload: string) => Buffer;
  /** The message for a request, or for bytes that are none. `clear` are its members beside the payload. */
  readonly message: (request: unknown, clear?: Readonly<Record<string, unknown>>) => Promise<string>;
}

/** The public key of the fixtures' cluster. */
export const fixtureClusterKey = (): KeyObject => createPublicKey(fixture('keys/ssh-publickey'));

/** SSH's form of a signature. */
export const sshBlob = (signature: Buffer): Buffer => {
  const part = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  return Buffer.concat([part(Buffer.from('ssh-ed25519')), part(signature)]);
};

/** An envelope of these parts, as the client writes it. */
export const envelopeOf = (
  payload: string,
  signature: Buffer | undefined,
  fingerprint: string | undefined,
  clear: Readonly<Record<string, unknown>> = {},
): string =>
  JSON.stringify({
    message: {
      experiment: { status: 'waiting', pythonver: '3' },
      time_added: Date.now() / 1000,
      experiment_lifetime: '30m',
      resources_needed: { cpus: 1, gpus: 0, ram: '128mb', hdd: '128mb' },
      ...clear,
      payload,
      signature: signature?.toString('base64'),
      fingerprint,
    },
  });

/** A new sender, for a cluster's public key. */
export const createSender = (cluster: KeyObject = fixtureClusterKey()): Sender => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const line = formatSenderKey(publicKey, 'test');
  const key = readSenderKey(Buffer.from(line));
  const seal: Sealer = createSealer(cluster);
  const signed = (payload: string) => sign(null, Buffer.from(payload), privateKey);
  return {
    line,
    key,
    sign: signed,
    message: async (request, clear) => {
      const plain = Buffer.isBuffer(request) ? request : Buffer.from(JSON.stringify(request));
      const payload = await seal(plain);
      return envelopeOf(payload, signed(payload), key.fingerprint, clear);
    },
  };
};
