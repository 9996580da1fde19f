import { generateKeyPairSync, privateDecrypt, publicEncrypt } from 'node:crypto';
import t from 'tap';
import { readClusterKey } from '../../lib/crypto/cluster-key.ts';
import { fixture } from '../helpers/recorded.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const publicPem = publicKey.export({ type: 'pkcs1', format: 'pem' });
const pem = (cipher?: string, type: 'pkcs1' | 'pkcs8' = 'pkcs1') =>
  Buffer.from(
    privateKey.export({
      type,
      format: 'pem',
      ...(cipher === undefined ? {} : { cipher, passphrase: 'word of mouth' }),
    }),
  );
const faultOf = (bytes: Buffer, passphrase?: string): string => {
  try {
    readClusterKey(bytes, passphrase === undefined ? undefined : Buffer.from(passphrase));
    return 'none';
  } catch (error) {
    return (error as Error).message;
  }
};

t.test('the fixtures key is read with its passphrase', async t => {
  const key = readClusterKey(fixture('keys/ssh-privatekey'), fixture('keys/ssh-passphrase'));
  t.match(key, { sealedBytes: 512, publicPem: fixture('keys/ssh-publickey').toString().trim() });
});

t.test('both ciphers, the newer form, and no passphrase at all', async t => {
  for (const bytes of [pem('aes-128-cbc'), pem('aes-256-cbc')]) {
    t.match(bytes.toString(), 'Proc-Type: 4,ENCRYPTED');
    t.equal(readClusterKey(bytes, Buffer.from('word of mouth')).publicPem, publicPem);
    t.equal(readClusterKey(bytes, Buffer.from('word of mouth\n')).publicPem, publicPem, 'a newline is no part of it');
  }
  t.equal(readClusterKey(pem('aes-256-cbc', 'pkcs8'), Buffer.from('word of mouth')).publicPem, publicPem);
  t.equal(readClusterKey(pem()).publicPem, publicPem);
  t.equal(readClusterKey(pem(), Buffer.from('not needed')).publicPem, publicPem);
});

t.test('what can not be used is told with what was expected, without a word of it', async t => {
  const expected = 'expected PEM, BEGIN RSA PRIVATE KEY';
  t.equal(faultOf(pem('aes-256-cbc'), 'hunter2'), 'the passphrase does not open it, or it is damaged');
  t.equal(faultOf(pem('aes-256-cbc')), 'it is encrypted, and there is no passphrase for it');
  t.equal(faultOf(Buffer.from(publicPem)), `it holds a public key; ${expected}`);
  t.equal(faultOf(fixture('keys/rmq_')), `it holds a public key; ${expected}`);
  t.equal(faultOf(Buffer.from('hunter2')), `it holds no private key in PEM; ${expected}`);
  t.equal(faultOf(pem().subarray(0, 900)), `it is cut off or damaged; ${expected}`);
  const openssh = Buffer.from('-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----\n');
  t.match(faultOf(openssh), /^it is in OpenSSH's own format; .*ssh-keygen -p -m PEM/);
  const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
  t.equal(faultOf(Buffer.from(ed25519)), `it holds a key of type ed25519; ${expected}`);
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs1', format: 'pem' });
  t.equal(faultOf(Buffer.from(short)), 'its key has 1024 bits; expected 2048 or more');
});

t.test('its decrypting is what OpenSSL encrypted', async t => {
  const { decrypt } = readClusterKey(pem());
  const sealed = publicEncrypt({ key: publicKey, oaepHash: 'sha256' }, Buffer.from('plain'));
  t.equal(Buffer.from(await decrypt(Buffer.from(sealed))).toString(), 'plain');
  t.equal(privateDecrypt({ key: privateKey, oaepHash: 'sha256' }, sealed).toString(), 'plain');
});
