import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { createHeldDelivery, type MessageCalls } from '../../lib/queues/held-delivery.ts';
import type { Past } from '../../lib/queues/history.ts';
import { eventually } from '../helpers/eventually.ts';

interface Receipt {
  readonly name: string;
  readonly receivedAtMs: number;
}

const past: Past = { attempts: 1, history: [] };

/** How the service answers when a message is to be removed; `lost`: at first it does not answer. */
type Removal = 'done' | 'refused' | 'lost, then refused';

/** A message and its service. @param removals of the receipts by name; others are removed */
const scene = (
  t: Test,
  removals: Readonly<Record<string, Removal>>,
  { ceilingMs = Infinity, isReleasedAsCopy = false, hasLeases = true } = {},
) => {
  const said: string[] = [];
  let copies = 0;
  const say = (words: string) => Promise.resolve(said.push(words));
  const calls: MessageCalls<Receipt> = {
    extend: () => Promise.resolve(),
    remove: async ({ name }, _, onUnanswered) => {
      const removal = removals[name] ?? 'done';
      await say(`remove ${name}: ${removal}`);
      if (removal === 'lost, then refused') onUnanswered?.();
      if (removal !== 'done') throw new Error('no such receipt');
    },
    sendHome: ({ attempts }) => say(`send home after ${String(attempts)}`),
    show: () => say('show'),
    isReleasedAsCopy: () => Promise.resolve(isReleasedAsCopy),
    bury: () => say('bury'),
    lease: () =>
      Promise.resolve(hasLeases ? { name: `copy ${String(++copies)}`, receivedAtMs: Date.now() } : undefined),
    left: ({ name }) => void said.push(`left ${name}`),
    discard: ({ name }) => void said.push(`discard ${name}`),
  };
  const delivery = createHeldDelivery({
    queue: { kind: 'sqs', name: 'sqs_a' },
    id: 'm',
    body: Buffer.from('body'),
    past,
    sentAtMs: undefined,
    received: { name: 'original', receivedAtMs: Date.now() },
    calls,
    faultOf: () => 'transient',
    visibilityMs: ceilingMs === Infinity ? 60_000 : 3000,
    ceilingMs,
    remedy: '',
    onLeft: () => undefined,
    now: Date.now,
  });
  t.teardown(() => delivery.letGo());
  return { said, delivery };
};

t.test('what is begun moves into the lease', async t => {
  const { said, delivery } = scene(t, {});
  await delivery.begin(2, 'key');
  await delivery.settle({ type: 'accept' });
  t.strictSame(said, ['remove original: done', 'remove copy 1: done', 'left copy 1']);
});

t.test('where the original is there still, or is somebody else’s, the copy goes', async t => {
  const { said, delivery } = scene(t, { original: 'refused' });
  await t.rejects(delivery.begin(2, 'key'), { code: 'broker-fault', message: /no such receipt/ });
  await delivery.settle({ type: 'release', delayMs: 0 });
  t.strictSame(said, ['remove original: refused', 'remove copy 1: done', 'discard copy 1', 'show']);
});

t.test('where the original may be gone, nothing is begun and the copy goes home uncounted', async t => {
  const { said, delivery } = scene(t, { original: 'lost, then refused' });
  await t.rejects(delivery.begin(2, 'key'), { code: 'broker-fault', message: /no such receipt/ });
  await delivery.settle({ type: 'release', delayMs: 0 });
  t.strictSame(said, [
    'remove original: lost, then refused',
    'send home after 1',
    'remove copy 1: done',
    'left copy 1',
  ]);
});

t.test('so it does where the runner lets go of its queues just then', async t => {
  const { said, delivery } = scene(t, { original: 'lost, then refused' });
  await t.rejects(delivery.begin(2, 'key'), { code: 'broker-fault' });
  await delivery.letGo();
  t.strictSame(said.slice(1), ['send home after 1', 'remove copy 1: done', 'left copy 1']);
});

t.test('a run whose earlier copy may be there still is held by the next one', async t => {
  const { said, delivery } = scene(t, { 'copy 1': 'lost, then refused' }, { ceilingMs: 0 });
  await delivery.begin(2, 'key');
  await eventually(() => {
    assert.ok(said.includes('discard copy 1'));
  });
  t.equal(delivery.lost.aborted, false);
  await delivery.settle({ type: 'accept' });
  t.match(said.at(-1), /^left copy [2-9]/);
});

t.test('a runner that lets go shows what it has not begun to others, and gives home, counted, what it has', async t => {
  const [waits, runs] = [scene(t, {}), scene(t, {})];
  await runs.delivery.begin(2, 'key');
  await Promise.all([waits.delivery.letGo(), runs.delivery.letGo()]);
  t.strictSame(waits.said, ['show']);
  t.strictSame(runs.said, ['remove original: done', 'send home after 2', 'remove copy 1: done', 'left copy 1']);
});

t.test('where its service counts who shows a message again, letting go of it is a copy too', async t => {
  const { said, delivery } = scene(t, {}, { isReleasedAsCopy: true });
  await delivery.letGo();
  t.strictSame(said, ['send home after 1', 'remove original: done']);
});

t.test('what was begun without a lease goes home counted', async t => {
  const { said, delivery } = scene(t, {}, { hasLeases: false });
  await delivery.begin(2, 'key');
  await delivery.letGo();
  t.strictSame(said, ['send home after 2', 'remove original: done']);
});
