import { createHash, createHmac, randomBytes } from 'node:crypto';
import t from 'tap';
import { Sha256 } from '../../lib/storage/s3/sha256.ts';

const message = Buffer.from('what is signed');
const hex = async (sum: Sha256): Promise<string> => {
  for (const byte of message) sum.update(Buffer.of(byte));
  return Buffer.from(await sum.digest()).toString('hex');
};

t.test('without a secret it is a digest', async t => {
  const sum = new Sha256();
  const expected = createHash('sha256').update(message).digest('hex');
  t.equal(await hex(sum), expected);
  sum.reset();
  t.equal(await hex(sum), expected);
});

t.test('with a secret it is its HMAC, whatever form the secret has', async t => {
  const bytes = randomBytes(100);
  const view = new Uint8Array(bytes).subarray(3, 40);
  for (const [form, secret, key] of [
    ['a text', 'AWS4wJé€', Buffer.from('AWS4wJé€')],
    ['an empty text', '', Buffer.alloc(0)],
    ['bytes', bytes, bytes],
    ['part of a buffer', view, Buffer.from(view)],
    ['a buffer', new Uint8Array(bytes).buffer, bytes],
  ] as const) {
    const sum = new Sha256(secret);
    const expected = createHmac('sha256', key).update(message).digest('hex');
    t.equal(await hex(sum), expected, form);
    sum.reset();
    t.equal(await hex(sum), expected, `${form}, again`);
  }
});
