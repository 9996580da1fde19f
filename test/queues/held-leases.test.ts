import t, { type Test } from 'tap';
import { createHeldLeases } from '../../lib/queues/held-leases.ts';
import { createEventBus } from '../../lib/telemetry/events.ts';

const never = new AbortController().signal;

/** A place whose copies come when the test says so. */
const openPlace = (t: Test) => {
  let asked = Promise.withResolvers<readonly string[]>();
  const looks: PromiseWithResolvers<readonly string[]>[] = [];
  let onLook = Promise.withResolvers<undefined>();
  const dropped: string[] = [];
  const leases = createHeldLeases<string, string>(
    {
      open: () => Promise.resolve(),
      receive: () => {
        asked = Promise.withResolvers();
        looks.push(asked);
        onLook.resolve(undefined);
        return asked.promise;
      },
      leaseOf: copy => copy.replace(/#.*/, ''),
      idOf: copy => copy,
      hold: copy => Promise.resolve(`held ${copy}`),
      drop: copy => Promise.resolve(dropped.push(copy)),
      faultOf: () => 'transient',
    },
    { broker: 'test', host: 'here', emit: createEventBus().emit },
  );
  t.teardown(() => {
    leases.close();
    for (const look of looks) look.resolve([]);
  });
  return {
    leases,
    dropped,
    /** The look for copies that is under way, or the next one. */
    look: async (): Promise<PromiseWithResolvers<readonly string[]>> => {
      await onLook.promise;
      onLook = Promise.withResolvers();
      return asked;
    },
  };
};

/** A send that is under way, and the lease that it names. */
const slowSend = () => {
  const named = Promise.withResolvers<string>();
  const answered = Promise.withResolvers<undefined>();
  return {
    lease: named.promise,
    answer: () => answered.resolve(undefined),
    send: (lease: string) => {
      named.resolve(lease);
      return answered.promise;
    },
  };
};

/** One copy is there and looked for while another one is sent. */
const oneLooksOneSends = async (t: Test) => {
  const { leases, dropped, look } = openPlace(t);
  const [first, second] = [slowSend(), slowSend()];
  const firstHeld = leases.move(first.send, never);
  first.answer();
  const underWay = await look();
  const secondHeld = leases.move(second.send, never);
  return { leases, dropped, look, first, second, firstHeld, secondHeld, underWay };
};

t.test('a copy may come before the service has answered that it has it', async t => {
  const { leases, look, first, second, firstHeld, secondHeld, underWay } = await oneLooksOneSends(t);
  underWay.resolve([await second.lease]);
  const next = await look();
  second.answer();
  t.equal(await secondHeld, `held ${await second.lease}`);
  next.resolve([await first.lease]);
  t.equal(await firstHeld, `held ${await first.lease}`);
  t.equal(leases.isIdle, false);
  leases.left(`held ${await first.lease}`);
  leases.left(`held ${await second.lease}`);
  t.equal(leases.isIdle, true);
});

t.test('a look that fails is told to those whose copies are there, not to those who still send', async t => {
  const { leases, look, first, second, firstHeld, secondHeld, underWay } = await oneLooksOneSends(t);
  const lease = await second.lease;
  underWay.reject(new Error('the service is away'));
  await t.rejects(firstHeld, { message: 'the service is away' });
  t.equal(leases.claimOf(lease, lease), 'awaited');
  second.answer();
  (await look()).resolve([lease]);
  t.equal(await secondHeld, `held ${lease}`);
  t.equal(leases.claimOf(await first.lease, await first.lease), 'spare');
});

t.test("a copy that could not be sent is nobody's", async t => {
  const { leases } = openPlace(t);
  let named = '';
  await t.rejects(
    leases.move(lease => {
      named = lease;
      return Promise.reject(new Error('refused'));
    }, never),
    { message: 'refused' },
  );
  t.equal(leases.claimOf(named, named), 'spare');
  t.equal(leases.claimOf(named, `${named}#again`), 'spare', 'nor is a second copy of it');
  t.equal(leases.isIdle, true);
});

t.test(
  'of two copies of one lease the one that is held counts; the other one is dropped wherever it turns up',
  async t => {
    const { leases, dropped, look, first, second, firstHeld, secondHeld, underWay } = await oneLooksOneSends(t);
    const [lease, other] = [await first.lease, await second.lease];
    underWay.resolve([lease, `${lease}#again`]);
    t.equal(await firstHeld, `held ${lease}`);
    second.answer();
    (await look()).resolve([`${lease}#third`, other]);
    await secondHeld;
    t.strictSame(dropped, [`${lease}#again`, `${lease}#third`]);
    t.equal(leases.claimOf(lease, `${lease}#again`), 'spare', 'while its run lives');
    t.equal(leases.claimOf(lease, lease), 'lapsed', 'what could not be kept comes home');
    leases.left(`held ${lease}`);
    t.equal(leases.claimOf(lease, `${lease}#again`), 'spare', 'and after that');
    leases.discard(`held ${other}`);
    t.equal(leases.claimOf(other, other), 'spare', 'as is one that nobody would miss');
    t.equal(leases.isIdle, true);
  },
);

t.test("another runner's copies have lapsed", t => {
  const { leases } = openPlace(t);
  t.equal(leases.claimOf('there/1', 'there/1'), 'lapsed');
  t.end();
});
