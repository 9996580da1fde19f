import assert from 'node:assert/strict';
import { mergeMap, Subject, firstValueFrom, toArray } from 'rxjs';
import t from 'tap';
import { pull } from '../../lib/flow/pull.ts';
import { sleep } from '../../lib/flow/wait.ts';
import { eventually } from '../helpers/eventually.ts';

t.test('asks for the next value only when the last is handed on', async t => {
  let out = 0;
  let most = 0;
  let handedOn = 0;
  const credits = new Subject<void>();
  const until = new AbortController();
  const values = pull(async signal => {
    if (out >= 2) await firstValueFrom(credits);
    if (signal.aborted) throw signal.reason;
    out += 1;
    most = Math.max(most, out);
    return out;
  }, until.signal).pipe(
    mergeMap(async value => {
      await sleep(1);
      out -= 1;
      handedOn += 1;
      credits.next();
      return value;
    }),
    toArray(),
  );
  const all = firstValueFrom(values);
  await eventually(() => {
    assert.ok(handedOn > 4);
  });
  until.abort();
  credits.next();
  t.ok((await all).length > 4);
  t.equal(most, 2);
});

t.test('undefined asks again', async t => {
  const script = [undefined, 1, undefined, 2];
  const until = new AbortController();
  const values = await firstValueFrom(
    pull(() => {
      if (script.length === 1) until.abort();
      return Promise.resolve(script.shift());
    }, until.signal).pipe(toArray()),
  );
  t.strictSame(values, [1, 2]);
});

t.test('an error of next is an error of the stream', async t => {
  await t.rejects(firstValueFrom(pull(() => Promise.reject(new Error('broken')), new AbortController().signal)), {
    message: 'broken',
  });
});

t.test('a rejection after the end completes it', async t => {
  const until = new AbortController();
  const values = firstValueFrom(pull(signal => sleep(10_000, signal), until.signal).pipe(toArray()));
  until.abort();
  t.strictSame(await values, []);
});

t.test('unsubscribing aborts the wait', async t => {
  const aborted = new Promise<void>(resolve => {
    const subscription = pull(
      signal =>
        new Promise<undefined>((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(new Error('aborted'));
            resolve();
          });
        }),
      new AbortController().signal,
    ).subscribe();
    setImmediate(() => {
      subscription.unsubscribe();
    });
  });
  await t.resolves(aborted);
});
