import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { createPassage } from '../../lib/flow/passage.ts';

const isOpen = async (clear: Promise<void>): Promise<boolean> => {
  let open = false;
  void clear.then(() => {
    open = true;
  });
  await setImmediate();
  return open;
};

t.test('nobody waits where nothing is on its way', async t => {
  t.ok(await isOpen(createPassage().clear(60_000)));
});

t.test('who waits goes on when the last one is through', async t => {
  const passage = createPassage();
  const [first, second] = [passage.enter(), passage.enter()];
  const clear = passage.clear(60_000);
  first();
  first();
  t.notOk(await isOpen(clear), 'the same one twice is one');
  second();
  t.ok(await isOpen(clear));
  t.ok(await isOpen(passage.clear(60_000)));
});

t.test('who waits goes on after its time, or when it is told to', async t => {
  const passage = createPassage();
  passage.enter();
  const control = new AbortController();
  const told = passage.clear(60_000, control.signal);
  t.notOk(await isOpen(told));
  control.abort();
  t.ok(await isOpen(told));
  t.ok(await isOpen(passage.clear(60_000, control.signal)));
  await Promise.race([
    passage.clear(10),
    delay(10_000, undefined, { ref: false }).then(() => Promise.reject(new Error('it waits still'))),
  ]);
});
