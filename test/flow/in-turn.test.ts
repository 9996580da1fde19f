import t from 'tap';
import { createTurns, createTurnsByName } from '../../lib/flow/in-turn.ts';
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

t.test('of one name one thing at a time, of others meanwhile', async t => {
  const inTurn = createTurnsByName();
  const opened = gate();
  const seen: string[] = [];
  const first = inTurn('a', async () => {
    await opened.wait();
    seen.push('first of a');
    throw new Error('no');
  });
  const second = inTurn('a', async () => {
    seen.push('second of a');
  });
  await inTurn('b', async () => {
    seen.push('b');
  });
  opened.open();
  await t.rejects(first, { message: 'no' });
  await second;
  t.strictSame(seen, ['b', 'first of a', 'second of a']);
});
