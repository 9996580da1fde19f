import t from 'tap';
import { parseStatus, statusOf } from '../../lib/resources/process-status.ts';

t.test('a name with blanks and brackets does not shift the fields', t => {
  t.match(parseStatus('12 (a) S (1 2) R 5 6 7 0 -1'), { pid: 12, parent: 5, group: 6, session: 7 });
  t.end();
});

t.test('what is dead already is no process', t => {
  t.equal(parseStatus('12 (x) Z 5 6 7 0'), undefined);
  t.equal(parseStatus('12 (x) X 5 6 7 0'), undefined);
  t.equal(parseStatus(''), undefined);
  t.end();
});

t.test('this process is told of, and one that is not there is not', t => {
  t.match(statusOf(process.pid), { pid: process.pid, parent: process.ppid });
  t.ok((statusOf(process.pid)?.started ?? 0) > 0);
  t.equal(statusOf(2 ** 30), undefined);
  t.end();
});
