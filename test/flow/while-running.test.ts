import t from 'tap';
import { whileRunning } from '../../lib/flow/while-running.ts';

t.test('a task is repeated until its signal aborts', async t => {
  const control = new AbortController();
  let turns = 0;
  await whileRunning(
    1,
    async () => {
      turns += 1;
      if (turns === 3) control.abort();
    },
    control.signal,
  );
  t.equal(turns, 3);
});

t.test('nothing is done where it is over already', async t => {
  let turns = 0;
  await whileRunning(1, async () => void (turns += 1), AbortSignal.abort());
  t.equal(turns, 0);
});

t.test('a task that rejects ends the repetition', async t => {
  const failing = () => Promise.reject(new Error('broken'));
  await t.rejects(whileRunning(1, failing, new AbortController().signal), { message: 'broken' });
});
