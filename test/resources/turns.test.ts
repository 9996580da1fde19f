import fc from 'fast-check';
import t from 'tap';
import { Turns } from '../../lib/resources/turns.ts';

const second = 1000;
const names = (turns: Turns, queues: readonly string[]) =>
  turns.order(queues.map(queue => ({ queue, sinceMs: 0 }))).map(one => one.queue);

/** One run of `queue`, as long as `tookMs`. */
const run = (turns: Turns, queue: string, tookMs: number) => {
  turns.join(queue);
  turns.start(queue, 0)(tookMs);
};

t.test('of queues that had the same the one that waits longest goes first', t => {
  const turns = new Turns();
  t.strictSame(
    turns.order([
      { queue: 'b', sinceMs: 5 },
      { queue: 'a', sinceMs: 3 },
    ]),
    [
      { queue: 'a', sinceMs: 3 },
      { queue: 'b', sinceMs: 5 },
    ],
  );
  t.end();
});

t.test('the queue that had less time goes first', t => {
  const turns = new Turns();
  run(turns, 'long', 600 * second);
  run(turns, 'short', 10 * second);
  t.strictSame(names(turns, ['long', 'short']), ['short', 'long']);
  t.end();
});

t.test('what still runs is charged as the runs before it', t => {
  const turns = new Turns();
  run(turns, 'a', 100 * second);
  run(turns, 'b', 100 * second);
  turns.start('a', 0);
  t.strictSame(names(turns, ['a', 'b']), ['b', 'a']);
  t.end();
});

t.test('an average follows the newest runs', t => {
  const turns = new Turns();
  for (let i = 0; i < 30; i++) run(turns, 'a', 100 * second);
  t.equal(Math.round(turns.expectedMs('a') / second), 100);
  for (let i = 0; i < 10; i++) run(turns, 'a', 10 * second);
  t.ok(turns.expectedMs('a') < 20 * second);
  t.equal(turns.expectedMs('new'), turns.expectedMs('other'), 'a queue that never ran is taken for an average one');
  t.end();
});

t.test('a queue that was idle has saved up nothing', t => {
  const turns = new Turns();
  turns.join('idle');
  for (let i = 0; i < 50; i++) run(turns, 'busy', 100 * second);
  turns.join('idle');
  run(turns, 'idle', 100 * second);
  run(turns, 'idle', 100 * second);
  t.strictSame(names(turns, ['idle', 'busy']), ['busy', 'idle']);
  t.end();
});

t.test('the end of a run is said once', t => {
  const turns = new Turns();
  const end = turns.start('a', 0);
  end(10 * second);
  end(1000 * second);
  t.equal(turns.expectedMs('a'), 10 * second);
  t.end();
});

t.test('one after the other, queues with work get the same time, however long their runs are', t => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 2, maxLength: 6 }), seconds => {
      const turns = new Turns();
      const had = seconds.map(() => 0);
      const longest = Math.max(...seconds);
      for (let total = 0; total < longest * seconds.length * 20;) {
        const next = Number(names(turns, [...seconds.keys()].map(String))[0]);
        const tookS = seconds[next] ?? 0;
        run(turns, String(next), tookS * second);
        had[next] = (had[next] ?? 0) + tookS;
        total += tookS;
      }
      return Math.max(...had) - Math.min(...had) <= 2 * longest;
    }),
  );
  t.end();
});
