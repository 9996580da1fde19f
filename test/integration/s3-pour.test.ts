/** Objects that a thread receives, over a connection that fails, with a real S3 server behind it. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { poured } from '../helpers/poured.ts';
import { shakyS3 } from '../helpers/shaky-s3.ts';

const MiB = 2 ** 20;

const scene = async (t: Test, idleMs?: number) => {
  const there = await shakyS3(t, idleMs);
  if (!there) return undefined;
  const { proxy, emit, retries, shaky: store, direct } = there;
  return {
    proxy,
    /** An object by way of a ring; `meanwhile` is done when its size is known. */
    read: (key: string, signal?: AbortSignal, meanwhile?: () => Promise<unknown>) =>
      poured(store, key, { emit, signal, meanwhile }),
    retries: () => retries().length,
    direct,
  };
};

t.test('an object that is cut off and stalls goes on where it stopped, again and again', async t => {
  const there = await scene(t, 2000);
  if (!there) return;
  const { proxy, read, retries, direct } = there;
  const bytes = randomBytes(9 * MiB);
  await direct.put('large', bytes);
  let gets = 0;
  // The first asks for its size.
  proxy.decide = () => {
    gets++;
    if (gets === 3) return { stallAfterBytes: MiB };
    return gets === 2 || gets === 4 ? { cutAfterBytes: MiB - 1000 } : 'pass';
  };
  const got = await read('large');
  t.ok(got.bytes.equals(bytes));
  const starts = proxy.seen.slice(1).map(({ range }) => Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0));
  t.same(
    starts,
    starts.toSorted((a, b) => a - b),
    'it never goes back',
  );
  t.equal(new Set(starts).size, 4);
  t.equal(retries(), 3);
  t.equal(got.told, bytes.length);
  t.equal(got.gets, 1, 'all by the thread');
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
    t.ok((await read('data')).bytes.equals(bytes));
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

const byThread = ({ headers }: IncomingMessage): boolean => headers.connection === 'close';

for (const [words, fault] of [
  ['resets its connections', 'reset'],
  ['tells it no length', 'unsized'],
] as const) {
  t.test(`where a server ${words} the thread leaves the object to the store's own client`, async t => {
    const there = await scene(t);
    if (!there) return;
    const { proxy, read, direct, retries } = there;
    const bytes = randomBytes(9 * MiB);
    await direct.put('large', bytes);
    proxy.decide = request => (byThread(request) ? fault : 'pass');
    const got = await read('large');
    t.ok(got.bytes.equals(bytes));
    t.equal(got.told, bytes.length, 'nothing is told twice');
    t.equal(proxy.seen.filter(one => one.fault === fault).length, 2, 'it is tried twice');
    t.equal(got.gets, 2);
    t.equal(retries(), 1);
  });
}

t.test('an object that was replaced before it was left to the client is not taken for the first one', async t => {
  const there = await scene(t);
  if (!there) return;
  const { proxy, read, direct } = there;
  await direct.put('large', Buffer.alloc(2 * MiB, 1));
  proxy.decide = request => (byThread(request) ? 'reset' : 'pass');
  const replace = () => direct.put('large', Buffer.alloc(2 * MiB, 2));
  await t.rejects(read('large', undefined, replace), { code: 'unavailable', message: /replaced while it was read/ });
});
