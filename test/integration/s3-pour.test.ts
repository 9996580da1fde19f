/** Objects that a thread receives, over a connection that fails, with a real S3 server behind it. */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { createByteRing, RingReader } from '../../lib/flow/byte-ring.ts';
import { pourInto } from '../../lib/storage/pour.ts';
import { shakyS3 } from '../helpers/shaky-s3.ts';

const MiB = 2 ** 20;

const scene = async (t: Test) => {
  const there = await shakyS3(t);
  if (!there) return undefined;
  const { proxy, emit, retries, shaky: store, direct } = there;
  let told = 0;
  /** An object by way of a ring; `meanwhile` is done when its size is known. */
  const read = async (key: string, signal?: AbortSignal, meanwhile?: () => Promise<unknown>): Promise<Buffer> => {
    const ring = createByteRing();
    const object = await store.get(key, signal);
    await meanwhile?.();
    told = 0;
    const onBytes = (bytes: number) => (told += bytes);
    const pieces: Buffer[] = [];
    const reading = (async () => {
      for await (const piece of new RingReader(ring).copies()) pieces.push(piece);
    })();
    reading.catch(() => undefined);
    await pourInto(ring, object, { store, key, signal, emit, onBytes, baseMs: 1 });
    await reading;
    return Buffer.concat(pieces);
  };
  return {
    proxy,
    read,
    told: () => told,
    retries: () => retries().length,
    direct,
  };
};

t.test('an object that is cut off and stalls goes on where it stopped, again and again', async t => {
  const there = await scene(t);
  if (!there) return;
  const { proxy, read, retries, told, direct } = there;
  const bytes = randomBytes(9 * MiB);
  await direct.put('large', bytes);
  let gets = 0;
  // The first asks for its size.
  proxy.decide = () => {
    gets++;
    if (gets === 3) return { stallAfterBytes: MiB };
    return gets === 2 || gets === 4 ? { cutAfterBytes: MiB - 1000 } : 'pass';
  };
  t.ok((await read('large')).equals(bytes));
  const starts = proxy.seen.slice(1).map(({ range }) => Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0));
  t.same(
    starts,
    starts.toSorted((a, b) => a - b),
    'it never goes back',
  );
  t.equal(new Set(starts).size, 4);
  t.equal(retries(), 3);
  t.equal(told(), bytes.length);
});

t.test('an object that was replaced meanwhile is not made of two', async t => {
  const there = await scene(t);
  if (!there) return;
  const { read, direct } = there;
  await direct.put('large', Buffer.alloc(2 * MiB, 1));
  const replace = () => direct.put('large', Buffer.alloc(3 * MiB, 2));
  await t.rejects(read('large', undefined, replace), { code: 'unavailable', message: /replaced while it was read/ });
});

for (const [words, size] of [
  ['stored at once', MiB],
  ['stored in parts', 20 * MiB],
] as const) {
  t.test(`a bit that changes on the way of an object ${words} is noticed, one in the store told as such`, async t => {
    const there = await scene(t);
    if (!there) return;
    const { proxy, read, direct } = there;
    const bytes = randomBytes(size);
    await direct.put('data', Readable.from([bytes], { objectMode: false }));
    proxy.decide = ({ method }) => (method === 'GET' ? { flipByte: size - 10 } : 'pass');
    await t.rejects(read('data'), { code: 'unavailable', message: /damaged on its way: its (MD5|CRC-64) is/ });
    await t.rejects(read('data'), { code: 'invalid', message: /damaged in its store/ });
    proxy.decide = () => 'pass';
    t.ok((await read('data')).equals(bytes));
  });
}

t.test('an abort ends it with its reason', async t => {
  const there = await scene(t);
  if (!there) return;
  const { proxy, read, direct } = there;
  await direct.put('large', randomBytes(9 * MiB));
  proxy.decide = () => (proxy.seen.length === 0 ? 'pass' : { stallAfterBytes: MiB });
  const control = new AbortController();
  const reading = read('large', control.signal);
  setTimeout(() => control.abort(new Error('enough')), 100);
  await t.rejects(reading, { message: 'enough' });
});

t.test('an object that is gone meanwhile is missing', async t => {
  const there = await scene(t);
  if (!there) return;
  const { read, direct } = there;
  await direct.put('large', randomBytes(2 * MiB));
  await t.rejects(
    read('large', undefined, () => direct.delete('large')),
    { code: 'missing' },
  );
});
