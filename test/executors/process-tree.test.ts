import t from 'tap';
import { startedAfter } from '../../lib/executors/process-tree.ts';

/** These ids are in use. */
const inUse = (...pids: number[]) => ({ all: () => pids, has: (pid: number) => pids.includes(pid) });

t.test('what was started since is between the two ids, however many there are', t => {
  t.strictSame(startedAfter(100, '0.1 0.2 0.3 1/200 120\n', inUse(99, 100, 120, 121)), [100, 120]);
  t.strictSame(startedAfter(100, '0.1 0.2 0.3 1/200 9000\n', inUse(99, 100, 120, 9000, 9001)), [100, 120, 9000]);
  t.end();
});

t.test('ids begin again at the bottom', t => {
  t.strictSame(startedAfter(100, '0.1 0.2 0.3 1/200 20\n', inUse(20, 21, 99, 100, 32_000)), [20, 100, 32_000]);
  t.end();
});

t.test('where the newest id is not told, nothing is left out', t => {
  t.equal(startedAfter(100, '0.00 0.00 0.00 0/0 0\n'), undefined);
  t.equal(startedAfter(100, ''), undefined);
  t.end();
});
