import t from 'tap';
import { gate } from './gate.ts';

t.test('it holds those who wait until it is opened, and nobody after', async t => {
  const door = gate<string>();
  const first = door.wait();
  const second = door.wait();
  t.equal(door.waiting, 2);
  door.open('come in');
  t.strictSame(await Promise.all([first, second, door.wait()]), ['come in', 'come in', 'come in']);
  t.equal(door.waiting, 0);
});

t.test('an aborted wait leaves its line', async t => {
  const door = gate();
  const abort = new AbortController();
  const wait = door.wait(abort.signal);
  abort.abort(new Error('enough'));
  await t.rejects(wait, { message: 'enough' });
  await t.rejects(door.wait(abort.signal), { message: 'enough' });
  t.equal(door.waiting, 0);
});
