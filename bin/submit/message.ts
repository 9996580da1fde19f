import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSealer } from '../../lib/crypto/seal.ts';
import { readRsaPublicKey } from '../../lib/crypto/rsa-public-key.ts';
import { formatSenderKey, readSenderKey } from '../../lib/crypto/sender-key.ts';
import { messageOf } from '../../lib/errors.ts';

const reading = async <T>(flag: string, path: string, read: (bytes: Buffer) => T): Promise<T> => {
  try {
    return read(await readFile(path));
  } catch (error) {
    throw new Error(`${flag} ${path}: ${messageOf(error)}`, { cause: error });
  }
};

/**
 * A request sealed for a cluster and signed by its sender, as the client writes it.
 * Errors: what is wrong with a file of keys.
 * Source: spec "Encrypted request".
 */
export const sealRequest = async (
  request: Readonly<Record<string, unknown>>,
  sealFile: string,
  signFile: string,
): Promise<string> => {
  const cluster = await reading('--seal', sealFile, readRsaPublicKey);
  const signer = await reading('--sign', signFile, bytes => {
    const key = createPrivateKey(bytes);
    if (key.asymmetricKeyType !== 'ed25519') throw new Error('expected a private key of Ed25519 in PEM');
    return key;
  });
  const { fingerprint } = readSenderKey(Buffer.from(formatSenderKey(createPublicKey(signer), 'submit')));
  const payload = await createSealer(cluster)(Buffer.from(JSON.stringify(request)));
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
