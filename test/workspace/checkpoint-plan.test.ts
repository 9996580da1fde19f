import t from 'tap';
import { planCheckpoints } from '../../lib/workspace/checkpoint-plan.ts';
import { artifact } from '../helpers/make-attempt.ts';

const plan = (saveWorkspaceFrequencyMs: number | undefined, ...own: (readonly [label: string, seconds?: number])[]) =>
  planCheckpoints({
    artifacts: new Map(
      own.map(([label, seconds]) => [
        label,
        artifact(label, seconds === undefined ? {} : { saveFrequencyMs: seconds * 1000 }),
      ]),
    ),
    ...(saveWorkspaceFrequencyMs === undefined ? {} : { saveWorkspaceFrequencyMs }),
  });

t.test('an artifact has its own time, the others that of all; what is not mutable has none', async t => {
  t.same(plan(180_000, ['workspace'], ['output'], ['modeldir', 1], ['tb']), {
    rounds: [
      { everyMs: 180_000, due: new Set(['output', 'tb']) },
      { everyMs: 1000, due: new Set(['modeldir']) },
    ],
  });
});

t.test('without a time for all only those with their own are stored meanwhile', async t => {
  t.same(plan(undefined, ['output'], ['modeldir', 30]), { rounds: [{ everyMs: 30_000, due: new Set(['modeldir']) }] });
  t.same(plan(undefined, ['output']), { rounds: [] });
});

t.test('the time for all is between two minutes and twelve hours, its own is not', async t => {
  t.match(plan(60_000, ['output'], ['tb', 5]), {
    rounds: [{ everyMs: 120_000 }, { everyMs: 5000 }],
    clamped: { askedMs: 60_000, usedMs: 120_000 },
  });
  t.match(plan(90_000_000, ['output']), { clamped: { usedMs: 43_200_000 } });
});
