import t from 'tap';
import { summary } from './summary.ts';

t.test('it reads the closing counts, and not those of a subtest', async t => {
  const tap =
    'ok 1 - a\n    # { total: 9, pass: 9 }\n\n# { total: 7, pass: 2, fail: 3, todo: 1, skip: 1 }\n# time=5ms\n';
  t.strictSame(summary(tap), { passed: 2, failed: 3, skipped: 2 });
});

t.test('counts that are not named are none', async t => {
  t.strictSame(summary('# { total: 43, pass: 43 }\n'), { passed: 43, failed: 0, skipped: 0 });
});

t.test('a run without its closing counts has failed', async t => {
  t.strictSame(summary('TAP version 14\nok 1 - a\n'), { passed: 0, failed: 1, skipped: 0 });
});
