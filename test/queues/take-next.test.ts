import t from 'tap';
import type { Delivery } from '../../lib/model/delivery.ts';
import type { Settlement } from '../../lib/model/outcome.ts';
import type { WorkQueue } from '../../lib/queues/queue.ts';
import { createTakeNext } from '../../lib/queues/take-next.ts';
import { Demand } from '../../lib/resources/demand.ts';
import { Ledger } from '../../lib/resources/ledger.ts';

const never = new AbortController().signal;
const demandFor = (cores: number) => new Demand(new Ledger({ cores, memoryBytes: 1, diskBytes: 1 }));

const deliveryOf = (name: string, settled: Settlement[]): Delivery => ({
  queue: { kind: 'rabbitmq', name },
  id: name,
  body: Buffer.from('{}'),
  attemptsBefore: 0,
  history: [],
  receivedAtMs: 0,
  lost: never,
  begin: () => Promise.resolve(),
  settle: settlement => {
    settled.push(settlement);
    return Promise.resolve();
  },
});

interface Script {
  readonly name?: string;
  readonly receive?: () => Delivery | undefined;
  readonly wait?: () => Delivery | undefined;
}
const queueOf = ({ name = 'q', receive, wait }: Script): WorkQueue => ({
  kind: 'rabbitmq',
  name,
  receive: () => Promise.resolve(receive?.()),
  wait: () => Promise.resolve(wait?.()),
  close: () => Promise.resolve(),
});

t.test('a message comes with the credit that was taken before it', async t => {
  const demand = demandFor(1);
  const delivery = deliveryOf('q', []);
  const pulled = await createTakeNext(demand)(queueOf({ receive: () => delivery }), never);
  t.equal(pulled?.delivery, delivery);
  t.equal(demand.out, 1);
  pulled?.credit.release();
  t.equal(demand.out, 0);
});

t.test('an empty queue is waited for without a credit', async t => {
  const demand = demandFor(1);
  let outWhileWaiting = -1;
  const queue = queueOf({
    wait: () => {
      outWhileWaiting = demand.out;
      return undefined;
    },
  });
  t.equal(await createTakeNext(demand)(queue, never), undefined);
  t.equal(outWhileWaiting, 0);
});

t.test('a receive that fails gives its credit back', async t => {
  const demand = demandFor(1);
  const queue = queueOf({
    receive: () => {
      throw new Error('cut');
    },
  });
  await t.rejects(createTakeNext(demand)(queue, never), { message: 'cut' });
  t.equal(demand.out, 0);
});

t.test('a message that came unasked gets a credit where there is one', async t => {
  const demand = demandFor(1);
  const delivery = deliveryOf('q', []);
  const pulled = await createTakeNext(demand)(queueOf({ wait: () => delivery }), never);
  t.equal(pulled?.delivery, delivery);
  t.equal(demand.out, 1);
});

t.test('of messages that come unasked without room one waits for it and the others go back at once', async t => {
  const demand = demandFor(1);
  const heard: string[] = [];
  const takeNext = createTakeNext(demand, { onUnasked: ({ name }, state) => heard.push(`${name} ${state}`) });
  const settled: Settlement[] = [];
  let blocker: { release(): void } | undefined;
  const take = (name: string) =>
    takeNext(
      queueOf({
        name,
        wait: () => {
          blocker ??= demand.tryAcquire('blocker');
          return deliveryOf(name, settled);
        },
      }),
      never,
    );
  const held = take('a');
  const [second, third] = await Promise.all([take('b'), take('c')]);
  t.equal(second, undefined);
  t.equal(third, undefined);
  t.strictSame(settled, [
    { type: 'release', delayMs: 0 },
    { type: 'release', delayMs: 0 },
  ]);
  blocker?.release();
  t.equal((await held)?.delivery.id, 'a');
  t.strictSame(heard, ['a held', 'b returned', 'c returned']);
});

t.test('a message that waited a second in vain goes back', async t => {
  const demand = demandFor(1);
  const settled: Settlement[] = [];
  const queue = queueOf({
    wait: () => {
      demand.tryAcquire('blocker');
      return deliveryOf('q', settled);
    },
  });
  t.equal(await createTakeNext(demand)(queue, never), undefined);
  t.strictSame(settled, [{ type: 'release', delayMs: 0 }]);
});
