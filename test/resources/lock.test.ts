import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { withLock } from '../../lib/resources/lock.ts';
import { ownProcess } from '../../lib/resources/process-identity.ts';
import { gate } from '../helpers/gate.ts';

const signal = new AbortController().signal;

t.test('one works at a time, and the lock is gone afterwards', async t => {
  const lock = join(t.testdir(), 'lock');
  let working = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, (working += 1));
    await new Promise(resolve => setImmediate(resolve));
    working -= 1;
  };
  await Promise.all([1, 2, 3].map(() => withLock(lock, signal, work)));
  t.equal(most, 1);
  t.notOk(existsSync(lock));
});

t.test('work that fails gives the lock back', async t => {
  const lock = join(t.testdir(), 'lock');
  await t.rejects(
    withLock(lock, signal, () => Promise.reject(new Error('no'))),
    /no/,
  );
  t.notOk(existsSync(lock));
});

t.test('the lock of a process that is gone is taken over', async t => {
  const lock = join(t.testdir(), 'lock');
  mkdirSync(lock);
  // This process's id, of another time.
  writeFileSync(join(lock, 'holder'), `${ownProcess.split('~').slice(0, 3).join('~')}~1`);
  t.equal(await withLock(lock, signal, () => Promise.resolve('done')), 'done');
});

t.test('a holder that can not be seen from here has the lock as long as it says so', async t => {
  const lock = join(t.testdir(), 'lock');
  mkdirSync(lock);
  writeFileSync(join(lock, 'holder'), 'elsewhere~1~1~1');
  const stop = new AbortController();
  let isDone = false;
  const waiting = withLock(lock, stop.signal, () => Promise.resolve()).finally(() => (isDone = true));
  waiting.catch(() => undefined);
  await setTimeout(300);
  t.notOk(isDone);
  stop.abort(new Error('enough'));
  await t.rejects(waiting, /enough/);
  utimesSync(lock, 1, 1);
  t.equal(await withLock(lock, signal, () => Promise.resolve('done')), 'done');
});

t.test('a lock that never said who holds it is taken over', async t => {
  const lock = join(t.testdir(), 'lock');
  mkdirSync(lock);
  utimesSync(lock, 1, 1);
  t.equal(await withLock(lock, signal, () => Promise.resolve('done')), 'done');
});

t.test('waiting ends with the signal', async t => {
  const lock = join(t.testdir(), 'lock');
  const door = gate();
  const working = gate();
  const stop = new AbortController();
  const held = withLock(lock, signal, () => {
    working.open();
    return door.wait();
  });
  await working.wait();
  const waiting = withLock(lock, stop.signal, () => Promise.resolve());
  stop.abort(new Error('enough'));
  await t.rejects(waiting, /enough/);
  door.open();
  await held;
});
