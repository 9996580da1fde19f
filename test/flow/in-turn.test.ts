import t from 'tap';
import { createTurns } from '../../lib/flow/in-turn.ts';
import { gate } from '../helpers/gate.ts';

t.test('work starts when what came before it has ended, well or not', async t => {
  const inTurn = createTurns();
  const opened = gate();
  const seen: string[] = [];
  const first = inTurn(async () => {
    await opened.wait();
    seen.push('first');
  });
  const second = inTurn(async () => {
    seen.push('second');
    throw new Error('no');
  });
  const third = inTurn(async () => {
    seen.push('third');
    return 3;
  });
  t.strictSame(seen, []);
  opened.open();
  await first;
  await t.rejects(second, { message: 'no' });
  t.equal(await third, 3);
  t.strictSame(seen, ['first', 'second', 'third']);
});
