import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { orAborted, sleep, TimeOver, within } from '../../lib/flow/wait.ts';

t.test('sleeping ends with the reason of an abort', async t => {
  const controller = new AbortController();
  const sleeping = sleep(10_000, controller.signal);
  controller.abort(new Error('up'));
  await t.rejects(sleeping, { message: 'up' });
  await t.rejects(sleep(0, controller.signal), { message: 'up' });
  await sleep(1);
});

t.test('work that fails after its signal aborted is heard', async t => {
  const work = delay(5).then(() => Promise.reject(new Error('late')));
  await t.rejects(orAborted(work, AbortSignal.abort(new Error('gone'))), { message: 'gone' });
  await delay(20);
  t.equal(await orAborted(Promise.resolve(1), new AbortController().signal), 1);
});

t.test('what is not done within its time ends', async t => {
  await t.rejects(
    within(5, signal => sleep(10_000, signal)),
    TimeOver,
  );
  t.equal(await within(1000, () => Promise.resolve('done')), 'done');
  await t.rejects(
    within(1000, signal => sleep(10_000, signal), AbortSignal.abort(new Error('outer'))),
    { message: 'outer' },
  );
});

t.test('without a limit work takes the time it needs', async t => {
  t.equal(await within(Infinity, signal => sleep(30, signal).then(() => 'done')), 'done');
});

t.test('what is longer than a timer takes waits as long as one takes', async t => {
  const over = new AbortController();
  const month = 32 * 86_400_000;
  const waiting = within(month, signal => sleep(month, AbortSignal.any([signal, over.signal]))).catch(
    (error: unknown) => error,
  );

  t.equal(await Promise.race([waiting, delay(50, 'still waiting')]), 'still waiting');
  over.abort(new Error('over'));
  t.match(await waiting, { message: 'over' });
});
