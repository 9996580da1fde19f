import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { createLimit } from '../../lib/flow/limit.ts';

t.test('so many run at once, in their order, and a failure frees its place', async t => {
  const limit = createLimit(2);
  let running = 0;
  let most = 0;
  const order: number[] = [];
  const all = await Promise.allSettled(
    [0, 1, 2, 3, 4, 5].map(index =>
      limit(async () => {
        order.push(index);
        running += 1;
        most = Math.max(most, running);
        await delay(1);
        running -= 1;
        assert.notEqual(index, 3);
        return index;
      }),
    ),
  );
  t.strictSame(order, [0, 1, 2, 3, 4, 5]);
  t.equal(most, 2);
  t.equal(all.filter(one => one.status === 'fulfilled').length, 5);
  t.equal(await limit(() => Promise.resolve('free')), 'free');
});
