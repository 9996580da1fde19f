import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import t from 'tap';
import { createSealer } from '../../lib/crypto/seal.ts';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const open = (sealed: string): Buffer => {
  const [key = Buffer.alloc(0), box = Buffer.alloc(0)] = sealed.split(',').map(part => Buffer.from(part, 'base64'));
  const symmetric = privateDecrypt(
    { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
    key,
  );
  return Buffer.from(xsalsa20poly1305(symmetric, box.subarray(0, 24)).decrypt(box.subarray(24)));
};

t.test('what is sealed opens with the private key, whatever its size', async t => {
  const seal = createSealer(publicKey);
  for (const size of [0, 1, 300, 100_000]) {
    const plain = Buffer.alloc(size, 'words ');
    const sealed = await seal(plain);
    t.match(sealed, /^[A-Za-z0-9+/]+=*,[A-Za-z0-9+/]+=*$/);
    t.same(open(sealed), plain);
  }
});

t.test('each seal has a symmetric key and a nonce of its own', async t => {
  const seal = createSealer(publicKey);
  const [one, other] = [await seal(Buffer.from('same')), await seal(Buffer.from('same'))];
  t.not(one.split(',')[0], other.split(',')[0]);
  t.not(one.split(',')[1], other.split(',')[1]);
});

t.test('a key that is no RSA key is refused when the sealer is made', async t => {
  t.throws(() => createSealer(generateKeyPairSync('ed25519').publicKey));
});
