import { totalmem } from 'node:os';
import t from 'tap';
import { leftUnderLimit, measureMemoryBytes, parseMemAvailable } from '../../lib/resources/memory.ts';

t.test('MemAvailable is told in bytes', t => {
  t.equal(parseMemAvailable('MemTotal:       200 kB\nMemAvailable:   100 kB\n'), 102_400);
  t.equal(parseMemAvailable('MemTotal:       200 kB\n'), undefined);
  t.end();
});

t.test('what is used counts against the limit, idle file pages do not', t => {
  t.equal(leftUnderLimit('1000\n', '600\n', 'anon 1\ninactive_file 250\n'), 650);
  t.equal(
    leftUnderLimit('1000\n', '600\n', 'inactive_file 1\ntotal_inactive_file 300\n'),
    700,
    'version 1 adds up groups',
  );
  t.equal(leftUnderLimit('1000', '5000', undefined), 0);
  t.end();
});

t.test('what sets no limit is passed over', t => {
  for (const limit of ['max\n', '9223372036854771712\n', undefined, ''])
    t.equal(leftUnderLimit(limit, '1', ''), undefined, String(limit));
  t.end();
});

t.test('this machine has some memory, and not more than it has', async t => {
  const bytes = await measureMemoryBytes();
  t.ok(bytes > 0 && bytes <= totalmem());
});
