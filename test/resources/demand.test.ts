import t from 'tap';
import type { ResourceRequest, Shortage } from '../../lib/model/resources.ts';
import { Demand } from '../../lib/resources/demand.ts';
import { noCards } from '../../lib/resources/gpu/cards.ts';
import { Ledger } from '../../lib/resources/ledger.ts';
import { asking } from '../helpers/amounts.ts';

const two = { cores: 2, memoryBytes: 1000, diskBytes: 1000 };
const never = new AbortController().signal;

t.test('gives out no more credits than could run now', t => {
  const demand = new Demand(new Ledger(two));
  const first = demand.tryAcquire('a');
  t.ok(first);
  t.ok(demand.tryAcquire('b'));
  t.equal(demand.tryAcquire('c'), undefined);
  first?.release();
  first?.release();
  t.equal(demand.out, 1);
  t.ok(demand.tryAcquire('c'));
  t.end();
});

t.test('a queue whose last request does not fit holds nobody up', async t => {
  const ledger = new Ledger(two);
  const demand = new Demand(ledger);
  demand.remember('large', asking({ cores: 2 }));
  const running = ledger.tryGrant(asking({ cores: 1 }));
  let served = false;
  const large = demand.acquire('large', never).then(credit => {
    served = true;
    return credit;
  });
  const small = await demand.acquire('small', never);
  t.equal(served, false);
  small.release();
  t.equal(served, false);
  running?.releaseCompute();
  await large;
});

t.test('a queue whose last request can never fit may be looked at again', t => {
  const demand = new Demand(new Ledger(two));
  demand.remember('huge', asking({ cores: 64 }));
  t.ok(demand.tryAcquire('huge'));
  t.end();
});

t.test('it is told when nobody gets a credit any more, and when somebody would again', async t => {
  const ledger = new Ledger(two);
  const said: string[] = [];
  const demand = new Demand(ledger, {
    onFull: until => {
      said.push('full');
      void until.then(() => said.push('room'));
    },
  });
  const first = demand.tryAcquire('a');
  t.strictSame(said, []);
  const running = ledger.tryGrant(asking({ cores: 1 }));
  const second = demand.tryAcquire('b');
  t.equal(second, undefined);
  first?.release();
  const third = demand.tryAcquire('c');
  t.strictSame(said, ['full']);
  const waiting = demand.acquire('d', never);
  third?.release();
  const fourth = await waiting;
  t.strictSame(said, ['full'], 'what comes back goes to who waits for it');
  running?.releaseCompute();
  fourth.release();
  await Promise.resolve();
  t.strictSame(said, ['full', 'room']);
  demand.pause('a state');
  t.strictSame(said, ['full', 'room', 'full']);
});

t.test('serves the queue that waits longest first', async t => {
  const ledger = new Ledger(two);
  const demand = new Demand(ledger);
  const all = ledger.tryGrant(asking({ cores: 2 }));
  const order: string[] = [];
  const waits = ['a', 'b'].map(queue => demand.acquire(queue, never).then(() => order.push(queue)));
  t.equal(demand.tryAcquire('c'), undefined, 'nobody overtakes');
  all?.releaseCompute();
  await Promise.all(waits);
  t.strictSame(order, ['a', 'b']);
});

t.test('who does not fit now overtakes nobody who does, and is let by', async t => {
  const ledger = new Ledger(two);
  const demand = new Demand(ledger);
  demand.remember('large', asking({ cores: 2 }));
  ledger.tryGrant(asking({ cores: 1 }));
  void demand.acquire('large', never);
  t.ok(demand.tryAcquire('small'), 'a core that the large one can not use is free for others');
});

t.test('a request that was overtaken for long enough has room kept for it', async t => {
  let nowMs = 0;
  const ledger = new Ledger(two);
  const demand = new Demand(ledger, { now: () => nowMs });
  demand.remember('large', asking({ cores: 2 }));
  const first = await demand.grant('small', asking({ cores: 1 }), never);
  const large = demand.acquire('large', never);
  nowMs = 20_000;
  const second = demand.tryAcquire('small');
  t.ok(second);
  t.match(demand.stateOf('large'), { waitingMs: 20_000, place: 1, roomKept: false });
  second?.release();
  // Somebody behind it in line was served: from now on it counts.
  const other = await demand.acquire('small', never);
  const run = await demand.grant('small', asking({ cores: 1 }), never);
  other.release();
  t.match(demand.stateOf('large'), { roomKeptInMs: 30_000, lacking: [{ resource: 'cores', asked: 2, available: 0 }] });
  nowMs += 31_000;
  run.releaseCompute();
  t.match(demand.stateOf('large'), { roomKept: true, keptFor: 'large' });
  t.equal(demand.tryAcquire('small'), undefined, 'a core is free, and kept');
  const held = demand.grant('small', asking({ cores: 1 }), never);
  first.releaseCompute();
  const credit = await large;
  t.equal(demand.tryAcquire('small'), undefined);
  credit.release();
  (await held).releaseCompute();
});

t.test('no room is kept for who waits for cards that the end of no run brings', async t => {
  let nowMs = 0;
  let failing = true;
  const lacking = ({ gpus }: ResourceRequest): readonly Shortage[] =>
    failing && gpus > 0 ? [{ resource: 'gpus', asked: gpus, available: 0 }] : [];
  const ledger = new Ledger(two, {
    ...noCards,
    shortageEver: () => [],
    shortageNow: lacking,
    shortageWhenIdle: lacking,
  });
  const demand = new Demand(ledger, { now: () => nowMs });
  demand.remember('gpu', asking({ cores: 2, gpus: 1 }));
  const gpu = demand.acquire('gpu', never);
  const first = await demand.grant('small', asking({ cores: 1 }), never);
  (await demand.acquire('small', never)).release();
  nowMs = 60_000;
  t.match(demand.stateOf('gpu'), { roomKept: false, roomKeptInMs: undefined });
  demand.tryAcquire('small')?.release();
  failing = false;
  t.match(demand.stateOf('gpu'), { roomKept: true });
  first.releaseCompute();
  (await gpu).release();
});

t.test('room that was kept is free for others when the wait for it is given up', async t => {
  let nowMs = 0;
  const ledger = new Ledger(two);
  const demand = new Demand(ledger, { now: () => nowMs });
  demand.remember('large', asking({ cores: 2 }));
  const running = ledger.tryGrant(asking({ cores: 1 }));
  const controller = new AbortController();
  const large = demand.acquire('large', controller.signal);
  (await demand.acquire('small', never)).release();
  nowMs = 60_000;
  const small = demand.acquire('small', never);
  controller.abort(new Error('gone'));
  await t.rejects(large, { message: 'gone' });
  (await small).release();
  running?.releaseCompute();
});

t.test('a message in hand that is larger than expected takes nobody else a room', async t => {
  const ledger = new Ledger(two);
  const demand = new Demand(ledger);
  const mine = await demand.acquire('mine', never);
  const other = await demand.acquire('other', never);
  let granted = false;
  const grant = demand.grant('mine', asking({ cores: 2 }), never).then(one => {
    granted = true;
    return one;
  });
  const theirs = await demand.grant('other', asking({ cores: 1 }), never);
  other.release();
  t.equal(granted, false);
  theirs.releaseCompute();
  (await grant).releaseCompute();
  mine.release();
});

t.test('of queues that wait the one whose runs are short goes first as often as its share asks', async t => {
  let nowMs = 0;
  const ledger = new Ledger({ ...two, cores: 1 });
  const demand = new Demand(ledger, { now: () => nowMs });
  const hadMs = { long: 0, short: 0 };
  const lengthMs = { long: 600_000, short: 60_000 };
  const next = (queue: keyof typeof hadMs) => demand.acquire(queue, never).then(credit => ({ queue, credit }));
  const waiting = { long: next('long'), short: next('short') };
  for (let i = 0; i < 220; i++) {
    const { queue, credit } = await Promise.race([waiting.long, waiting.short]);
    const grant = await demand.grant(queue, asking(), never);
    credit.release();
    waiting[queue] = next(queue);
    nowMs += lengthMs[queue];
    hadMs[queue] += lengthMs[queue];
    grant.releaseCompute();
    grant.releaseDisk();
  }
  t.ok(Math.abs(hadMs.long - hadMs.short) <= 2 * lengthMs.long, JSON.stringify(hadMs));
});

t.test('an aborted wait holds nothing', async t => {
  const ledger = new Ledger(two);
  const demand = new Demand(ledger);
  const all = ledger.tryGrant(asking({ cores: 2 }));
  const controller = new AbortController();
  const wait = demand.acquire('a', controller.signal);
  controller.abort(new Error('stop'));
  await t.rejects(wait, { message: 'stop' });
  await t.rejects(demand.acquire('a', controller.signal), { message: 'stop' });
  all?.releaseCompute();
  t.equal(demand.out, 0);
});
