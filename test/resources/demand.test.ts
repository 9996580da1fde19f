import t from 'tap';
import { Demand } from '../../lib/resources/demand.ts';
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
