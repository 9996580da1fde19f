import { firstValueFrom, of } from 'rxjs';
import t from 'tap';
import { longestRunMs } from '../../lib/executors/program.ts';
import type { StagedAttempt } from '../../lib/model/attempt.ts';
import { provision } from '../../lib/stages/provision.ts';
import { ScriptedExecutor } from '../helpers/scripted-executor.ts';

const minute = 60_000;

t.test('what making an environment takes is taken off the lifetime', async t => {
  const clock = { ms: 30 * minute };
  const executor = new ScriptedExecutor(() => ({ provision: () => (clock.ms += 20 * minute) }));
  const staged = {
    request: { timeAddedSeconds: 0, lifetimeMs: 60 * minute },
    workspace: { workspace: '/' },
    signal: new AbortController().signal,
    stagedAtMs: clock.ms,
  } as unknown as StagedAttempt;
  const ready = await firstValueFrom(of(staged).pipe(provision({ executors: [executor], now: () => clock.ms })));
  t.equal(longestRunMs(ready), 10 * minute);
  t.equal(longestRunMs({ ...ready, readyAtMs: 61 * minute }), 0, 'nothing is left when it is over');
});

t.test('max_duration counts from the start, and 96 h are the most', t => {
  const of_ = (request: object) => longestRunMs({ request, readyAtMs: 5 * minute } as never);
  t.equal(of_({ maxDurationMs: 3 * minute }), 3 * minute);
  t.equal(of_({ maxDurationMs: 3 * minute, timeAddedSeconds: 0, lifetimeMs: 6 * minute }), minute);
  t.equal(of_({}), 96 * 60 * minute);
  t.equal(of_({ maxDurationMs: 100 * 60 * minute }), 96 * 60 * minute);
  t.end();
});
