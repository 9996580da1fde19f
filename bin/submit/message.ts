import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSealer } from '../../lib/crypto/seal.ts';
import { readRsaPublicKey } from '../../lib/crypto/rsa-public-key.ts';
import { formatSenderKey, readSenderKey } from '../../lib/crypto/sender-key.ts';
import { readFault } from '../../lib/crypto/key-file.ts';
import { messageOf, OptionsError } from '../../lib/errors.ts';

const reading = async <T>(flag: string, path: string, read: (bytes: Buffer) => T): Promise<T> => {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new OptionsError([`${flag}: ${path}: ${readFault(error)}`]);
  });
  try {
    return read(bytes);
  } catch (error) {
    throw new OptionsError([`${flag}: ${path}: ${messageOf(error)}`]);
  }
};

/**
 * What seals a request for a cluster and signs it as its sender, as the client writes it.
 * Errors: OptionsError with what is wrong with a file of keys.
 * Source: spec "Encrypted request".
 */
export const openSealing = async (
  sealFile: string,
  signFile: string,
): Promise<(request: Readonly<Record<string, unknown>>) => Promise<string>> => {
  const cluster = await reading('--seal', sealFile, readRsaPublicKey);
  const signer = await reading('--sign', signFile, bytes => {
    const key = createPrivateKey(bytes);
    if (key.asymmetricKeyType !== 'ed25519') throw new Error('expected a private key of Ed25519 in PEM');
    return key;
  });
  const { fingerprint } = readSenderKey(Buffer.from(formatSenderKey(createPublicKey(signer), 'submit')));
  const seal = createSealer(cluster);
  return async request => {
    const payload = await seal(Buffer.from(JSON.stringify(request)));
    const experiment = request['experiment'] as Readonly<Record<string, unknown>>;
    const config = request['config'] as Readonly<Record<string, unknown>>;
    return JSON.stringify({
      message: {
        experiment: { status: experiment['status'], pythonver: experiment['pythonver'] },
        time_added: experiment['time_added'],
        experiment_lifetime: config['experimentLifetime'],
        resources_needed: experiment['resources_needed'],
        payload,
        fingerprint,
        signature: sign(null, Buffer.from(payload), signer).toString('base64'),
      },
    });
  };
};
