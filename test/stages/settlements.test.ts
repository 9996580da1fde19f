import t from 'tap';
import type { Cause, Settlement } from '../../lib/model/outcome.ts';
import { settlementFor, settlementRules, type SettlementFacts } from '../../lib/stages/settlements.ts';

const hour = 3_600_000;
const facts = (cause: Cause, more: Partial<SettlementFacts> = {}): SettlementFacts => ({
  end: { cause, message: `because ${cause}` },
  attempt: 1,
  history: [],
  maxAttempts: 3,
  unplacedAfterMs: 24 * hour,
  timeAddedMs: 1_000_000,
  unplacedSinceMs: undefined,
  nowMs: 1_000_000 + hour,
  host: 'h',
  ...more,
});
const settle = (cause: Cause, more?: Partial<SettlementFacts>): Settlement =>
  settlementFor(facts(cause, more), () => 7);

// One row for each row of the spec's table: what a first attempt, the last one and one unplaced for long get.
const table: readonly [Cause, first: Settlement['type'], third: Settlement['type'], unplaced: Settlement['type']][] = [
  ['completed', 'accept', 'accept', 'accept'],
  ['exited', 'retry', 'reject', 'retry'],
  ['killed', 'retry', 'reject', 'retry'],
  ['out-of-memory', 'retry', 'reject', 'retry'],
  ['out-of-disk', 'retry', 'reject', 'retry'],
  ['max-duration', 'accept', 'accept', 'accept'],
  ['cancelled', 'accept', 'accept', 'accept'],
  ['expired', 'accept', 'accept', 'accept'],
  ['artifact-missing', 'reject', 'reject', 'reject'],
  ['artifact-invalid', 'reject', 'reject', 'reject'],
  ['access-denied', 'reject', 'reject', 'reject'],
  ['environment', 'reject', 'reject', 'reject'],
  ['image-missing', 'reject', 'reject', 'reject'],
  ['image-denied', 'reject', 'reject', 'reject'],
  ['no-such-program', 'reject', 'reject', 'reject'],
  ['no-key', 'release', 'release', 'reject'],
  ['no-interpreter', 'release', 'release', 'reject'],
  ['no-room-ever', 'release', 'release', 'reject'],
  ['no-room', 'release', 'release', 'release'],
  ['duplicate', 'release', 'release', 'release'],
  ['already-done', 'accept', 'accept', 'accept'],
  ['store-fault', 'release', 'release', 'release'],
  ['broker-fault', 'release', 'release', 'release'],
  ['engine-fault', 'release', 'release', 'release'],
  ['gpu-fault', 'release', 'release', 'release'],
  ['stopping', 'release', 'release', 'release'],
  ['lease-lost', 'none', 'none', 'none'],
  ['queue-deleted', 'none', 'none', 'none'],
  ['runner-died', 'retry', 'reject', 'retry'],
  ['internal', 'retry', 'reject', 'retry'],
  ['malformed', 'reject', 'reject', 'reject'],
  ['not-a-request', 'reject', 'reject', 'reject'],
  ['too-large', 'reject', 'reject', 'reject'],
  ['clear-text-refused', 'reject', 'reject', 'reject'],
  ['unopenable', 'reject', 'reject', 'reject'],
  ['bad-signature', 'reject', 'reject', 'reject'],
];

for (const [cause, first, third, unplaced] of table) {
  t.test(`${cause}: ${first}, on the last attempt ${third}, unplaced for a day ${unplaced}`, t => {
    t.equal(settle(cause).type, first);
    t.equal(settle(cause, { attempt: 3 }).type, third);
    t.equal(settle(cause, { nowMs: 1_000_000 + 25 * hour }).type, unplaced);
    t.end();
  });
}

t.test('the table has every cause', t => {
  t.strictSame(table.map(([cause]) => cause).sort(), Object.keys(settlementRules).sort());
  t.end();
});

t.test('what has no time_added, or an impossible one, waits from when it is known', t => {
  const nowMs = 1e12;
  for (const timeAddedMs of [undefined, nowMs + 48 * hour, nowMs * 1000]) {
    const known = (agoMs?: number) => ({
      timeAddedMs,
      nowMs,
      unplacedSinceMs: agoMs === undefined ? undefined : nowMs - agoMs,
    });
    t.strictSame(settle('no-room-ever', known()), { type: 'release', delayMs: 7, unplacedSinceMs: nowMs });
    t.match(settle('no-room-ever', known(23 * hour)), { type: 'release', unplacedSinceMs: nowMs - 23 * hour });
    t.equal(settle('no-room-ever', known(25 * hour)).type, 'reject');
    t.strictSame(settle('no-room', known(25 * hour)), { type: 'release', delayMs: 7 }, 'which keeps its turn');
  }
  t.match(settle('no-key', { nowMs: 2e6, unplacedSinceMs: 1e13 }), { unplacedSinceMs: 2e6 }, 'nor is that believed');
  t.end();
});

t.test('a retry carries its number and the whole history', t => {
  const before = { cause: 'killed', host: 'g', at: '2026-01-01T00:00:00.000Z' } as const;
  t.strictSame(settle('exited', { attempt: 2, history: [before] }), {
    type: 'retry',
    attempt: 2,
    history: [before, { cause: 'exited', host: 'h', at: '1970-01-01T01:16:40.000Z', message: 'because exited' }],
  });
  t.end();
});

t.test('a dead letter says why', t => {
  t.match(settle('malformed'), { type: 'reject', reason: 'malformed', message: 'because malformed' });
  t.end();
});

t.test('a delay is asked for only when a message is released', t => {
  let asked = 0;
  const count = () => ++asked;
  t.strictSame(settlementFor(facts('completed'), count), { type: 'accept' });
  t.equal(asked, 0);
  t.strictSame(settlementFor(facts('store-fault'), count), { type: 'release', delayMs: 1 });
  t.end();
});
