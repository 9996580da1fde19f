import t from 'tap';
import { SkipReporter, type SkippedReport } from '../../lib/output/skip-reporter.ts';

t.test('skipped directives are told at most once a second, none is left uncounted, and long lines are cut', async t => {
  let nowMs = 0;
  const reports: SkippedReport[] = [];
  const reporter = new SkipReporter(
    report => reports.push(report),
    () => nowMs,
  );
  for (nowMs = 0; nowMs < 2500; nowMs += 10) reporter.skipped(`e${nowMs}`, 'x'.repeat(1000));
  reporter.flush();
  reporter.flush();
  t.strictSame(
    reports.map(({ error, count }) => [error, count]),
    [
      ['e0', 1],
      ['e1000', 100],
      ['e2000', 100],
      ['e2490', 49],
    ],
  );
  t.ok(reports.every(report => report.line.length === 501));
});
