import { access } from 'node:fs/promises';
import { openKeyDirectory, type KeyDirectory } from '../../lib/crypto/key-directory.ts';
import { lookAtKeyFile } from '../../lib/crypto/key-file.ts';
import { clusterFiles, openKeyring } from '../../lib/crypto/keyring.ts';
import { readRsaPublicKey } from '../../lib/crypto/rsa-public-key.ts';
import { readSenderKey } from '../../lib/crypto/sender-key.ts';
import { messageOf } from '../../lib/errors.ts';
import { keyDirectoryFaults } from '../../pipelines/keys.ts';
import type { Check, Finding } from './check.ts';

const silent = () => undefined;
const unsealed = 'encrypted requests are not accepted';

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const directories: Check = {
  name: 'directories of keys',
  run: async options => {
    const faults = await keyDirectoryFaults(options);
    if (faults.length === 0) return { status: 'ok', found: `below ${options.certsDir} unless named one by one` };
    return {
      status: 'failure',
      found: faults.join('; '),
      remedy: 'make it: runner keys --help; or correct the option',
    };
  },
};

/** One spelling of a public key, whichever of PEM's it came in. */
const spkiOf = (pem: Buffer): string => readRsaPublicKey(pem).export({ type: 'spki', format: 'pem' }).toString();

/** Whether the public key that clients get fits the private one. */
const publicFault = async (path: string, publicPem: string): Promise<string | undefined> => {
  const { bytes, fault } = await lookAtKeyFile(path);
  if (bytes === undefined) return `${path}: ${fault ?? ''}`;
  try {
    return spkiOf(bytes) === spkiOf(Buffer.from(publicPem))
      ? undefined
      : `${path}: it is not the public half of the private key beside it`;
  } catch (error) {
    return `${path}: ${messageOf(error)}`;
  }
};

const clusterKey: Check = {
  name: 'cluster key',
  run: async ({ encryptDir, clearTextMessages }) => {
    const keyring = await openKeyring({ directory: encryptDir, emit: silent });
    keyring.close();
    const [key] = keyring.keys;
    const files = clusterFiles(encryptDir);
    if (key === undefined) {
      if (clearTextMessages && !(await isThere(files.privateKey))) return { status: 'ok', found: `none; ${unsealed}` };
      return {
        status: 'failure',
        found: `${keyring.fault ?? ''}; ${unsealed}`,
        expected: 'an RSA private key in PEM (BEGIN RSA PRIVATE KEY) that the passphrase in ssh-passphrase opens',
        remedy: 'runner keys cluster makes one; or correct ENCRYPT_DIR',
      };
    }
    const fault = await publicFault(files.publicKey, key.publicPem);
    if (fault === undefined) return { status: 'ok', found: `${files.privateKey}, ${String(key.sealedBytes * 8)} bits` };
    return {
      status: 'warning',
      found: fault,
      expected: "the cluster's public key (BEGIN RSA PUBLIC KEY), which clients get",
      remedy: `openssl rsa -in ${files.privateKey} -RSAPublicKey_out -out ${files.publicKey}`,
    };
  },
};

/** One line for a directory of keys by queue. */
const describe = <K>(
  { directory, fault, files }: KeyDirectory<K>,
  expected: string,
  none: Finding,
  remedy: string,
): Finding => {
  const faults = [
    ...(fault === undefined ? [] : [fault]),
    ...files.flatMap(file => (file.type === 'fault' ? [file.fault] : [])),
  ];
  if (faults.length > 0) return { status: 'failure', found: faults.join('; '), expected, remedy };
  if (files.length === 0) return none;
  return { status: 'ok', found: `${directory}: ${files.map(({ name }) => `${name}*`).join(', ')}` };
};

const senders: Check = {
  name: 'senders',
  run: async ({ requestSignaturesDir: directory, clearTextMessages }) => {
    const keys = await openKeyDirectory({ directory, read: readSenderKey, emit: silent });
    keys.close();
    const expected = "files named with the beginning of queues' names, each with one line: ssh-ed25519 AAAA… comment";
    const remedy = 'runner keys sender makes one; or correct REQUEST_SIGNATURES_DIR';
    const none: Finding = clearTextMessages
      ? { status: 'ok', found: `none; ${unsealed}` }
      : { status: 'failure', found: `${directory} holds no keys; ${unsealed}`, expected, remedy };
    return describe(keys, expected, none, remedy);
  },
};

const listeners: Check = {
  name: 'report keys',
  run: async ({ responseSignaturesDir: directory }) => {
    const keys = await openKeyDirectory({ directory, read: readRsaPublicKey, emit: silent });
    keys.close();
    const expected =
      "files named with the beginning of response queues' names, each with an RSA public key in PEM (BEGIN RSA PUBLIC KEY)";
    const none: Finding = { status: 'ok', found: 'none; experiments are not reported to response queues' };
    return describe(keys, expected, none, 'runner keys response makes one; or correct RESPONSE_SIGNATURES_DIR');
  },
};

/** The checks of the keys that open and verify requests, and of those that seal reports. */
export const keyChecks: readonly Check[] = [directories, clusterKey, senders, listeners];
