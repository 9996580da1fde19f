import t from 'tap';
import { parseStat, startedAfter } from '../../lib/executors/process-tree.ts';

t.test('a name with blanks and brackets does not shift the fields', t => {
  t.match(parseStat('12 (a) S (1 2) R 5 6 7 0 -1'), { pid: 12, parent: 5, group: 6, session: 7 });
  t.end();
});

t.test('what is dead already is no process', t => {
  t.equal(parseStat('12 (x) Z 5 6 7 0'), undefined);
  t.equal(parseStat('12 (x) X 5 6 7 0'), undefined);
  t.equal(parseStat(''), undefined);
  t.end();
});

t.test('ids given out since are those up to the newest', t => {
  const since = startedAfter(100, '0.1 0.2 0.3 1/200 120\n');
  t.strictSame(
    [99, 100, 120, 121].map(pid => since?.(pid)),
    [false, true, true, false],
  );
  t.end();
});

t.test('ids begin again at the bottom', t => {
  const since = startedAfter(100, '0.1 0.2 0.3 1/200 20\n');
  t.strictSame(
    [20, 21, 99, 100, 32_000].map(pid => since?.(pid)),
    [true, false, false, true, true],
  );
  t.end();
});

t.test('where the newest id is not told, nothing is left out', t => {
  t.equal(startedAfter(100, '0.00 0.00 0.00 0/0 0\n'), undefined);
  t.equal(startedAfter(100, ''), undefined);
  t.end();
});
