import { createHash, randomBytes } from 'node:crypto';
import t from 'tap';
import { checkFor } from '../../lib/storage/checks.ts';
import { createByteRing } from '../../lib/flow/byte-ring.ts';
import { crc64, crc64In } from '../../lib/storage/crc64.ts';

const md5 = (...pieces: Buffer[]): Buffer => createHash('md5').update(Buffer.concat(pieces)).digest();

t.test('CRC-64/NVME of known texts, in pieces as well', async t => {
  // Source: catalogue of parametrised CRC algorithms, CRC-64/NVME, "check".
  t.equal(crc64(Buffer.from('123456789')), 0xae8b14860a799888n);
  t.equal(crc64(Buffer.alloc(0)), 0n);
  const bytes = randomBytes(300_001);
  const whole = crc64(bytes);
  for (const size of [1, 15, 16, 17, 65_536, 200_000]) {
    let sum = 0n;
    for (let at = 0; at < bytes.length; at += size) sum = crc64(bytes.subarray(at, at + size), sum);
    t.equal(sum, whole, `pieces of ${String(size)}`);
  }
});

t.test('CRC-64/NVME of what stands in the memory of a ring, wherever it begins', async t => {
  const { memory, capacity } = createByteRing(100_000);
  const sumOf = crc64In(memory, memory.buffer.byteLength - 65_536);
  const ring = Buffer.from(memory.buffer, 0, capacity);
  const bytes = randomBytes(50_000);
  for (const at of [0, 1, 17, 50_000]) {
    bytes.copy(ring, at);
    const sum = sumOf(ring.subarray(at, at + 33_333));
    t.equal(sumOf(ring.subarray(at + 33_333, at + bytes.length), sum), crc64(bytes), String(at));
  }
});

t.test('every digest finds the bit that changed', async t => {
  const bytes = randomBytes(1000);
  const digests = [
    { type: 'md5', expected: md5(bytes).toString('hex') },
    {
      type: 'md5-of-parts',
      partBytes: 600,
      expected: md5(md5(bytes.subarray(0, 600)), md5(bytes.subarray(600))).toString('hex'),
    },
    { type: 'crc64', expected: crc64(bytes).toString(16).padStart(16, '0') },
    { type: 'crc32', expected: 'cbf43926' },
  ] as const;
  for (const digest of digests) {
    for (const isDamaged of [false, true]) {
      const check = checkFor(digest);
      const body = Buffer.from(digest.type === 'crc32' ? '123456789' : bytes);
      if (isDamaged) body[5] = (body[5] ?? 0) ^ 1;
      check.update(body.subarray(0, 7));
      check.update(body.subarray(7));
      t.equal(check.fault() !== undefined, isDamaged, digest.type);
      t.same(check.digest, digest);
    }
  }
});
