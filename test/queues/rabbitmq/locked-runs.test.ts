import assert from 'node:assert/strict';
import t from 'tap';
import type { Rival } from '../../../lib/model/delivery.ts';
import { LeaseEntry } from '../../../lib/queues/rabbitmq/lease/entry.ts';
import { LockedRuns } from '../../../lib/queues/rabbitmq/lease/locked-runs.ts';
import { eventually } from '../../helpers/eventually.ts';

const entryOf = (lock = 'lock') =>
  new LeaseEntry({ id: lock, queue: 'work', lock, body: Buffer.from('x'), properties: {} as never, headers: {} });

/** A connection's locks, which grant what `answer` says. */
const scene = (answer: () => Promise<boolean> = () => Promise.resolve(true)) => {
  const said: string[] = [];
  const locks = {
    take: (lock: string) => (said.push(`take ${lock}`), answer()),
    release: async (lock: string) => void said.push(`release ${lock}`),
  };
  const current: { locks: typeof locks | undefined } = { locks };
  return { said, locks, current, locked: new LockedRuns(() => current.locks) };
};

const never = new AbortController().signal;
const none = Promise.resolve('none' as const);

t.test('a lock belongs to the attempt that reserved it', async t => {
  const { said, locks, locked } = scene();
  const [first, second] = [entryOf(), entryOf()];
  t.ok(locked.reserve(first));
  t.notOk(locked.reserve(second));
  t.ok(await locked.take(first, locks, undefined, never));
  await locked.release(second);
  t.ok(locked.has(first));
  await locked.release(first);
  await locked.release(first);
  t.strictSame(said, ['take lock', 'release lock']);
  t.ok(locked.reserve(second));
});

t.test('an attempt that is over before it is known who else begins takes no lock', async t => {
  const { said, locks, locked } = scene();
  const entry = entryOf();
  locked.reserve(entry);
  const rival = Promise.withResolvers<Rival>();
  const control = new AbortController();
  const taken = locked.take(entry, locks, rival.promise, control.signal);
  control.abort(new Error('the channel was closed'));
  await locked.release(entry);
  rival.resolve('unknown');
  await t.rejects(taken, /the channel was closed/);
  t.strictSame(said, ['release lock']);
});

t.test('a lock that can wait is not taken where the run is over by then', async t => {
  const { said, locks, locked } = scene();
  const entry = entryOf();
  locked.reserve(entry);
  t.ok(await locked.take(entry, locks, none, never));
  await locked.release(entry);
  await new Promise(resolve => setTimeout(resolve, 700));
  t.strictSame(said, ['release lock']);
});

t.test(
  'it is asked for again where the broker failed and the connection lives, and left to the next connection otherwise',
  async t => {
    let fails = true;
    const { said, locks, current, locked } = scene(() =>
      fails ? Promise.reject(new Error('no room')) : Promise.resolve(true),
    );
    const entry = entryOf();
    locked.reserve(entry);
    await locked.take(entry, locks, none, never);
    await eventually(() => assert.equal(said.length, 1));
    fails = false;
    await eventually(() => assert.equal(said.length, 2));
    t.notOk(entry.lost.aborted);

    const other = entryOf('other');
    locked.reserve(other);
    fails = true;
    await locked.take(other, locks, none, never);
    current.locks = undefined;
    await new Promise(resolve => setTimeout(resolve, 1200));
    t.strictSame(said, ['take lock', 'take lock']);
  },
);

t.test('who begins beside a mark waits until its lock would be there', async t => {
  const { said, locks, locked } = scene(() => Promise.resolve(false));
  const entry = entryOf();
  locked.reserve(entry);
  const startedAtMs = performance.now();
  t.equal(await locked.take(entry, locks, Promise.resolve('begun'), never), false);
  t.ok(performance.now() - startedAtMs > 1900);
  t.strictSame(said, ['take lock']);
});
