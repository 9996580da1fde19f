import fc from 'fast-check';
import t from 'tap';
import type { Grant } from '../../lib/model/resources.ts';
import { Ledger } from '../../lib/resources/ledger.ts';
import { asking } from '../helpers/amounts.ts';

const total = { cores: 4, memoryBytes: 1000, diskBytes: 1000 };

t.test('grants all that is asked for or nothing', t => {
  const ledger = new Ledger(total);
  const first = ledger.tryGrant(asking({ cores: 3, memoryBytes: 900 }));
  t.ok(first);
  t.equal(ledger.tryGrant(asking({ cores: 1, memoryBytes: 200 })), undefined);
  t.strictSame(ledger.free, { cores: 1, memoryBytes: 100, diskBytes: 1000 });
  t.end();
});

t.test('gives compute and disk back apart, each once', t => {
  const ledger = new Ledger(total);
  const grant = ledger.tryGrant(asking({ cores: 2, memoryBytes: 500, diskBytes: 500 }));
  grant?.releaseCompute();
  grant?.releaseCompute();
  t.strictSame(ledger.free, { cores: 4, memoryBytes: 1000, diskBytes: 500 });
  t.equal(ledger.grants, 1);
  grant?.releaseDisk();
  grant?.releaseDisk();
  t.strictSame(ledger.free, total);
  t.equal(ledger.grants, 0);
  t.end();
});

t.test('has less disk where some of a grant stays taken', t => {
  const ledger = new Ledger(total);
  const grant = ledger.tryGrant(asking({ diskBytes: 500 }));
  grant?.keepDisk(100);
  grant?.releaseCompute();
  grant?.releaseDisk();
  t.strictSame(ledger.free, { ...total, diskBytes: 900 });
  t.match(ledger.shortageEver(asking({ diskBytes: 901 })), [{ resource: 'disk', asked: 901, available: 900 }]);
  t.end();
});

t.test('reserves a core for a request that asks for none', t => {
  const ledger = new Ledger(total);
  ledger.tryGrant(asking({ cores: 0 }));
  t.equal(ledger.free.cores, 3);
  t.end();
});

t.test('names everything that the machine lacks', t => {
  const ledger = new Ledger(total);
  t.strictSame(ledger.shortageEver(asking({ cores: 8, memoryBytes: 2000, gpus: 1 })), [
    { resource: 'cores', asked: 8, available: 4 },
    { resource: 'memory', asked: 2000, available: 1000 },
    { resource: 'gpus', asked: 1, available: 0 },
  ]);
  t.end();
});

t.test('serves those who wait in their order, as far as they fit', async t => {
  const ledger = new Ledger(total);
  const all = ledger.tryGrant(asking({ cores: 4 }));
  const served: string[] = [];
  const never = new AbortController().signal;
  const large = ledger.grant(asking({ cores: 4 }), never).then(grant => {
    served.push('large');
    return grant;
  });
  const small = ledger.grant(asking({ cores: 1 }), never).then(grant => {
    served.push('small');
    return grant;
  });
  all?.releaseCompute();
  (await large).releaseCompute();
  await small;
  t.strictSame(served, ['large', 'small']);
});

t.test('whoever is aborted leaves the line and holds nothing', async t => {
  const ledger = new Ledger(total);
  const all = ledger.tryGrant(asking({ cores: 4 }));
  const controller = new AbortController();
  const waiting = ledger.grant(asking({ cores: 1 }), controller.signal);
  controller.abort(new Error('enough'));
  await t.rejects(waiting, { message: 'enough' });
  await t.rejects(ledger.grant(asking(), controller.signal), { message: 'enough' });
  all?.releaseCompute();
  t.equal(ledger.free.cores, 4);
});

t.test('random schedules never overdraw it and leave it whole', async t => {
  const step = fc.oneof(
    fc.record({
      type: fc.constant('ask' as const),
      cores: fc.integer({ min: 0, max: 5 }),
      memoryBytes: fc.integer({ min: 0, max: 1200 }),
      diskBytes: fc.integer({ min: 0, max: 1200 }),
    }),
    fc.record({ type: fc.constantFrom('compute' as const, 'disk' as const, 'abort' as const), index: fc.nat(20) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
      const ledger = new Ledger(total);
      const grants: Grant[] = [];
      const asked: { controller: AbortController; done: Promise<unknown> }[] = [];
      const held = () =>
        Object.values(ledger.free).every((free, index) => free >= 0 && free <= (Object.values(total)[index] ?? 0));
      for (const one of steps) {
        if (one.type === 'ask') {
          const controller = new AbortController();
          const done = ledger.grant(asking(one), controller.signal).then(
            grant => grants.push(grant),
            () => undefined,
          );
          asked.push({ controller, done });
        } else if (one.type === 'abort') asked[one.index]?.controller.abort(new Error('gone'));
        else if (one.type === 'compute') grants[one.index]?.releaseCompute();
        else grants[one.index]?.releaseDisk();
        await Promise.resolve();
        if (!held()) return false;
      }
      for (const { controller } of asked) controller.abort(new Error('over'));
      await Promise.all(asked.map(one => one.done));
      for (const grant of grants) {
        grant.releaseDisk();
        grant.releaseCompute();
      }
      return ledger.grants === 0 && JSON.stringify(ledger.free) === JSON.stringify(total);
    }),
    { numRuns: 500 },
  );
  t.pass('in 500 schedules');
});
