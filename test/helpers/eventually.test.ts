import assert from 'node:assert/strict';
import t from 'tap';
import { eventually } from './eventually.ts';

t.test('it tries again until the assertion holds, and gives what that returned', async t => {
  let tries = 0;
  const result = await eventually(
    () => {
      tries++;
      assert.equal(tries, 3);
      return 'held';
    },
    { everyMs: 1 },
  );
  t.equal(result, 'held');
  t.equal(tries, 3);
});

t.test('it rejects with the last failure once the time is up', async t => {
  let tries = 0;
  const failing = eventually(
    async () => {
      tries++;
      throw new Error(`try ${tries}`);
    },
    { timeoutMs: 30, everyMs: 1 },
  );
  await t.rejects(failing, { message: /^try \d+$/ });
  t.ok(tries > 1);
});
