import { randomBytes, webcrypto } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import fc from 'fast-check';
import t from 'tap';
import { readClusterKey, type ClusterKey } from '../../lib/crypto/cluster-key.ts';
import { openPayload } from '../../lib/crypto/open-envelope.ts';
import { createSealer } from '../../lib/crypto/seal.ts';
import type { AttemptError } from '../../lib/errors.ts';
import { readMessage } from '../../lib/request/envelope.ts';
import { parseRequest } from '../../lib/request/parse-request.ts';
import { fixture, recorded } from '../helpers/recorded.ts';
import { fixtureClusterKey } from '../helpers/sealed.ts';

const key = readClusterKey(fixture('keys/ssh-privatekey'), fixture('keys/ssh-passphrase'));
const seal = createSealer(fixtureClusterKey());
const recordedPayload = (): string => {
  const message = readMessage(recorded('rmq_secure'));
  return message.type === 'envelope' ? message.envelope.payload : '';
};
const codeOf = (payload: string, keys = [key]): Promise<string> =>
  openPayload(payload, keys).then(
    () => 'opened',
    (error: unknown) => (error as AttemptError).code,
  );

t.test('the recorded message opens to a request', async t => {
  const inside = readMessage(await openPayload(recordedPayload(), [key]));
  if (inside.type !== 'clear') throw new Error('still sealed');
  const request = parseRequest(inside.value);
  t.match(request, { filename: 'train.py', resources: { cores: 1, memoryBytes: 128e6, diskBytes: 512e6 } });
  t.ok(request.artifacts.has('workspace'));
});

t.test('what is sealed for another key is not for this runner', async t => {
  const pair = await webcrypto.subtle.generateKey(
    { name: 'RSA-OAEP', hash: 'SHA-256', modulusLength: 4096, publicExponent: new Uint8Array([1, 0, 1]) },
    true,
    ['encrypt', 'decrypt'],
  );
  const other: ClusterKey = {
    ...key,
    decrypt: sealed => webcrypto.subtle.decrypt('RSA-OAEP', pair.privateKey, sealed),
  };
  t.equal(await codeOf(recordedPayload(), [other]), 'no-key');
  t.equal(await codeOf(recordedPayload(), []), 'no-key');
  t.equal(await codeOf(recordedPayload(), [{ ...key, sealedBytes: 256 }]), 'no-key', 'of another size');
  t.equal(await codeOf(recordedPayload(), [other, key]), 'opened', 'each key is tried');
});

t.test('what has not the form of a payload is refused before anything is spent on it', async t => {
  const [sealedKey = '', box = ''] = recordedPayload().split(',');
  for (const payload of [
    '',
    ',',
    sealedKey,
    `${sealedKey},`,
    `,${box}`,
    `${sealedKey};${box}`,
    `${sealedKey},${box},${box}`,
    `${sealedKey},${box}\n`,
    `${sealedKey},${box.slice(0, 52)}`,
    `${sealedKey.replace('=', '')},${box}`,
    `${sealedKey},${box.replaceAll('+', '-').replaceAll('/', '_')}`,
  ]) {
    t.equal(await codeOf(payload, []), 'unopenable', JSON.stringify(payload.slice(-40)));
  }
});

t.test('opened with the right key and still wrong', async t => {
  const publicKey = fixtureClusterKey().toCryptoKey({ name: 'RSA-OAEP', hash: 'SHA-256' }, false, ['encrypt']);
  const sealKey = async (bytes: Buffer) =>
    Buffer.from(await webcrypto.subtle.encrypt('RSA-OAEP', publicKey, bytes)).toString('base64');
  const symmetric = randomBytes(32);
  const nonce = randomBytes(24);
  const box = Buffer.concat([nonce, xsalsa20poly1305(symmetric, nonce).encrypt(Buffer.from('{}'))]).toString('base64');
  t.equal(await codeOf(`${await sealKey(symmetric)},${box}`), 'opened');
  t.equal(await codeOf(`${await sealKey(randomBytes(32))},${box}`), 'unopenable', 'a box of another key');
  t.equal(await codeOf(`${await sealKey(symmetric.subarray(1))},${box}`), 'unopenable', 'a key of 31 bytes');
});

t.test('a flipped bit at any place of key, nonce, tag or ciphertext opens nothing', async t => {
  const [sealedKey = Buffer.alloc(0), box = Buffer.alloc(0)] = (await seal(Buffer.from('{"experiment":{"key":"k"}}')))
    .split(',')
    .map(part => Buffer.from(part, 'base64'));
  const flipped = (bytes: Buffer, bit: number): Buffer => {
    const copy = Buffer.from(bytes);
    copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return copy;
  };
  const join = (one: Buffer, two: Buffer) => `${one.toString('base64')},${two.toString('base64')}`;
  t.equal(await codeOf(join(sealedKey, box)), 'opened');
  await fc.assert(
    fc.asyncProperty(
      fc.nat(sealedKey.length * 8 - 1),
      async bit => (await codeOf(join(flipped(sealedKey, bit), box))) === 'no-key',
    ),
    { numRuns: 60, examples: [[0], [sealedKey.length * 8 - 1]] },
  );
  // Nonce, tag, ciphertext: every bit of them.
  const symmetric = Buffer.from(await key.decrypt(sealedKey));
  const opens = (bytes: Buffer): boolean => {
    try {
      xsalsa20poly1305(symmetric, bytes.subarray(0, 24)).decrypt(bytes.subarray(24));
      return true;
    } catch {
      return false;
    }
  };
  t.ok(opens(box));
  for (let bit = 0; bit < box.length * 8; bit++) if (opens(flipped(box, bit))) t.fail(`bit ${String(bit)} opens`);
  for (const bit of [0, 24 * 8, 40 * 8, box.length * 8 - 1]) {
    t.equal(await codeOf(join(sealedKey, flipped(box, bit))), 'unopenable');
  }
});
