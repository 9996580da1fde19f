import { lastValueFrom, of } from 'rxjs';
import t from 'tap';
import { createGrowingDelays } from '../../lib/flow/growing-delay.ts';
import { createScope } from '../../lib/flow/scope.ts';
import type { FinishedAttempt } from '../../lib/model/attempt.ts';
import type { Cause, Settlement } from '../../lib/model/outcome.ts';
import { settle } from '../../lib/stages/settle.ts';

const scene = () => {
  const delays = createGrowingDelays(1000, 60_000, 20);
  const lost = new AbortController();
  const told: Settlement['type'][] = [];
  const events: string[] = [];
  const context = {
    emit: (name: string) => {
      events.push(name);
    },
    host: 'h',
    maxAttempts: 3,
    unplacedAfterMs: 1000,
    delays,
    now: () => 0,
  };
  const end = (cause: Cause, broker: 'takes it' | 'refuses') => {
    const attempt = {
      delivery: {
        queue: { kind: 'rabbitmq', name: 'q', broker: 'b' },
        history: [],
        lost: lost.signal,
        settle: (settlement: Settlement) => {
          told.push(settlement.type);
          return broker === 'refuses' ? Promise.reject(new Error('403')) : Promise.resolve();
        },
      },
      identity: { number: 1, startedAtMs: 0 },
      record: { queue: 'q', attempt: 'a', began: false, spans: [] },
      scope: createScope(() => undefined),
      end: { cause, message: '' },
    } as unknown as FinishedAttempt;
    return lastValueFrom(of(attempt).pipe(settle(context)));
  };
  return { end, lost, told, events };
};

t.test('a message that the queue takes no word of leaves its queue alone for longer each time', async t => {
  const { end, told, events } = scene();
  const delays = [];
  for (let n = 0; n < 4; n++) delays.push((await end('malformed', 'refuses')).delayMs);
  t.strictSame(delays, [1000, 2000, 4000, 8000]);
  t.strictSame(new Set(told), new Set(['reject']));
  t.strictSame(new Set(events), new Set(['settle-failed']));
});

t.test('what was told takes the delay away', async t => {
  const { end } = scene();
  await end('completed', 'refuses');
  await end('completed', 'refuses');
  t.match(await end('completed', 'takes it'), { told: true, delayMs: 0 });
  t.match(await end('completed', 'refuses'), { told: false, delayMs: 1000 });
});

t.test('a message that another has by now holds nobody up', async t => {
  const { end, lost } = scene();
  lost.abort();
  t.match(await end('completed', 'refuses'), { told: false, delayMs: 0 });
});

t.test('a message that is given back is delayed once, told or not', async t => {
  const { end } = scene();
  t.match(await end('store-fault', 'takes it'), { told: true, delayMs: 1000 });
  t.match(await end('store-fault', 'refuses'), { told: false, delayMs: 2000 });
});
