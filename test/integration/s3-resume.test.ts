/** Transfers over a connection that fails, with a real S3 server behind it. */
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import type { ObjectStore, PutOptions } from '../../lib/storage/object-store.ts';
import { resuming } from '../../lib/storage/resuming.ts';
import { withRetry } from '../../lib/storage/retry.ts';
import { shakyS3 } from '../helpers/shaky-s3.ts';

const MiB = 2 ** 20;
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const scene = async (t: Test, idleMs?: number) => {
  const there = await shakyS3(t, idleMs);
  if (!there) return undefined;
  const { emit } = there;
  const read = async (store: ObjectStore, key: string, signal?: AbortSignal): Promise<Buffer> => {
    const { store: steady } = resuming({ store, key }, { emit, about: {}, artifact: 'data' });
    return buffer((await steady.get(key, signal)).body);
  };
  /** As stage-out tries pieces again, with less waiting. */
  const retry: NonNullable<PutOptions['retry']> = (work, signal) =>
    withRetry(work, { signal, emit, operation: 'put', object: 'o', baseMs: 1, maxMs: 20, attempts: 50 });
  return { ...there, read, retry };
};

t.test('an object that is cut off goes on where it stopped, again and again', async t => {
  const there = await scene(t);
  if (!there) return;
  const { proxy, read, retries, shaky, direct } = there;
  const bytes = randomBytes(3 * MiB);
  await direct.put('large', bytes);
  let gets = 0;
  proxy.decide = ({ method }) => (method === 'GET' && ++gets < 4 ? { cutAfterBytes: MiB - 1000 } : 'pass');
  t.equal(sha256(await read(shaky, 'large')), sha256(bytes));
  const starts = proxy.seen.map(({ range }) => Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0));
  t.equal(starts.length, 4);
  t.ok(
    starts.every((start, at) => at === 0 || start > (starts[at - 1] ?? 0)),
    `it never goes back: ${starts.join()}`,
  );
  t.equal(retries().length, 3);
  t.match(retries()[0], { operation: 'get', object: /large/, tries: 1 });
});

t.test('an object that stalls goes on over another connection', async t => {
  const there = await scene(t, 2000);
  if (!there) return;
  const { proxy, read, retries, shaky, direct } = there;
  const bytes = randomBytes(2 * MiB);
  await direct.put('large', bytes);
  proxy.decide = () => (proxy.seen.length === 0 ? { stallAfterBytes: MiB } : 'pass');
  t.equal(sha256(await read(shaky, 'large')), sha256(bytes));
  t.match(retries(), [{ error: /./ }]);
});

t.test('an object that was replaced meanwhile is not made of two', async t => {
  const there = await scene(t);
  if (!there) return;
  const { proxy, read, shaky, direct } = there;
  await direct.put('large', Buffer.alloc(2 * MiB, 1));
  proxy.decide = () => {
    if (proxy.seen.length > 0) return 'pass';
    return { cutAfterBytes: MiB };
  };
  const reading = read(shaky, 'large');
  await direct.put('large', Buffer.alloc(2 * MiB, 2));
  // Whoever was quicker: one of both, or a failure that says why.
  const got = await reading.catch((error: unknown) => error);
  if (Buffer.isBuffer(got)) t.ok(got.every(byte => byte === got[0]));
  else t.match(got, { code: 'unavailable', message: /replaced while it was read/ });
});

for (const [words, size] of [
  ['stored at once', MiB],
  ['stored in parts', 20 * MiB],
] as const) {
  t.test(`a bit that changes on the way of an object ${words} is noticed, one in the store told as such`, async t => {
    const there = await scene(t);
    if (!there) return;
    const { proxy, read, shaky, direct } = there;
    const bytes = randomBytes(size);
    await direct.put('data', Readable.from([bytes], { objectMode: false }));
    t.equal(sha256(await read(shaky, 'data')), sha256(bytes));
    proxy.decide = ({ method }) => (method === 'GET' ? { flipByte: size - 10 } : 'pass');
    await t.rejects(read(shaky, 'data'), { code: 'unavailable', message: /damaged on its way: its (MD5|CRC-64) is/ });
    await t.rejects(read(shaky, 'data'), { code: 'invalid', message: /damaged in its store/ });
    proxy.decide = () => 'pass';
    t.equal(sha256(await read(shaky, 'data')), sha256(bytes));
  });
}

t.test('a small object costs one call', async t => {
  const there = await scene(t);
  if (!there) return;
  const { proxy, read, shaky } = there;
  await shaky.put('small', Buffer.from('x'));
  await read(shaky, 'small');
  t.same(
    proxy.seen.map(({ line }) => line.split(' ')[0]),
    ['PUT', 'GET'],
  );
});

t.test('parts of an upload are tried again, not the whole', async t => {
  const there = await scene(t);
  if (!there) return;
  const { place, proxy, retry, shaky, direct, retries } = there;
  const bytes = randomBytes(30 * MiB);
  const tried = new Map<string, number>();
  proxy.decide = ({ method, url = '' }) => {
    if (method !== 'PUT' && !url.includes('uploadId')) return 'pass';
    const times = (tried.get(url) ?? 0) + 1;
    tried.set(url, times);
    if (times > 2) return 'pass';
    return times === 1 ? { status: 503, code: 'SlowDown' } : 'reset';
  };
  await shaky.put('large', Readable.from([bytes], { objectMode: false }), { retry });
  t.equal(sha256(await buffer((await direct.get('large')).body)), sha256(bytes));
  t.equal(await place.unfinishedUploads(), 0);
  t.ok(retries().some(({ error }) => /SlowDown/.test(String(error))));
  t.equal(proxy.seen.filter(({ line }) => /^POST .*[?&]uploads/.test(line)).length, 1, 'one upload');
});

t.test('an upload whose last reply is lost is found to be done', async t => {
  const there = await scene(t);
  if (!there) return;
  const { place, proxy, retry, shaky, direct } = there;
  const bytes = randomBytes(20 * MiB);
  let completed = 0;
  proxy.decide = ({ method, url = '' }) =>
    method === 'POST' && url.includes('uploadId') && ++completed === 1 ? 'unanswered' : 'pass';
  const { etag } = await shaky.put('large', Readable.from([bytes], { objectMode: false }), { retry });
  const stored = await direct.get('large');
  t.equal(stored.etag, etag);
  t.equal(sha256(await buffer(stored.body)), sha256(bytes));
  t.equal(await place.unfinishedUploads(), 0);
});
