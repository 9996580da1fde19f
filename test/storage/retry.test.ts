import t from 'tap';
import { StoreError } from '../../lib/errors.ts';
import { withRetry } from '../../lib/storage/retry.ts';
import type { RetryContext } from '../../lib/storage/retry.ts';

const setUp = (over: Partial<RetryContext> = {}) => {
  const told: unknown[] = [];
  const use: RetryContext = {
    signal: new AbortController().signal,
    emit: (event, fields) => told.push({ event, ...fields }),
    operation: 'get',
    object: 's3://h/b/k',
    baseMs: 1,
    maxMs: 4,
    ...over,
  };
  return { use, told };
};

t.test('what is unavailable is tried again and told', async t => {
  const { use, told } = setUp();
  let tries = 0;
  const work = () => (++tries < 3 ? Promise.reject(new StoreError('unavailable', 'down')) : Promise.resolve('here'));
  t.equal(await withRetry(work, use), 'here');
  t.match(told, [
    { event: 'store-retry', operation: 'get', object: 's3://h/b/k', error: 'down', tries: 1 },
    { tries: 2 },
  ]);
});

t.test('the last error is told when the tries are used up', async t => {
  const { use, told } = setUp({ attempts: 3 });
  let tries = 0;
  await t.rejects(
    withRetry(() => Promise.reject(new StoreError('unavailable', `down ${String(++tries)}`)), use),
    { message: 'down 3' },
  );
  t.equal(told.length, 2);
});

t.test('other failures are final', async t => {
  for (const error of [new StoreError('denied', 'no'), new StoreError('missing', 'no'), new Error('no')]) {
    const { use, told } = setUp();
    let tries = 0;
    await t.rejects(
      withRetry(() => Promise.reject([error][tries++] ?? new Error('again')), use),
      error,
    );
    t.equal(told.length, 0);
  }
});

t.test('an abort ends the waiting with its reason', async t => {
  const control = new AbortController();
  const { use } = setUp({ signal: control.signal, baseMs: 2 ** 30, maxMs: 2 ** 30 });
  const emit = () => {
    setImmediate(() => {
      control.abort(new Error('the runner stops'));
    });
  };
  const work = () => Promise.reject(new StoreError('unavailable', 'down'));
  await t.rejects(withRetry(work, { ...use, emit }), { message: 'the runner stops' });
});

t.test('credentials that are no longer valid are waited for where they were let in before, a few times', async t => {
  const expired = new StoreError('denied', 'no', {}, { reason: 'ExpiredToken' });
  const failing = (times: number) => {
    let tries = 0;
    return () => (++tries <= times ? Promise.reject(expired) : Promise.resolve(tries));
  };
  t.equal(await withRetry(failing(3), setUp({ awaitsCredentials: true, attempts: 100 }).use), 4);
  await t.rejects(withRetry(failing(20), setUp({ awaitsCredentials: true, attempts: 100 }).use), expired);
  await t.rejects(withRetry(failing(1), setUp().use), expired);
});
