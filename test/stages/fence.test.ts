import assert from 'node:assert/strict';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { lastValueFrom, mergeMap, of, throwError, type OperatorFunction } from 'rxjs';
import t, { type Test } from 'tap';
import { AttemptError, StoreError } from '../../lib/errors.ts';
import { createScope } from '../../lib/flow/scope.ts';
import type { AttemptIdentity, FenceMark, PreparedAttempt, ReadyAttempt } from '../../lib/model/attempt.ts';
import type { Cause, HistoryEntry } from '../../lib/model/outcome.ts';
import { fence } from '../../lib/stages/fence.ts';
import { markEnd } from '../../lib/stages/mark-end.ts';
import { standBack } from '../../lib/stages/stand-back.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { eventually } from '../helpers/eventually.ts';
import { gate } from '../helpers/gate.ts';
import { ended, makeAttempt } from '../helpers/make-attempt.ts';

const key = 'experiments/e1.attempt';
const nowMs = Date.parse('2026-01-01T12:00:00Z');

interface Parts {
  readonly number?: number;
  readonly accession?: string;
  readonly submitted?: number;
  readonly history?: readonly HistoryEntry[];
  readonly buriedAtMs?: number;
  readonly begin?: PreparedAttempt['delivery']['begin'];
  /** Whether its queue has run locks. */
  readonly keepsApart?: boolean;
}

const rig = (t: Test, over: Partial<ObjectStore> = {}) => {
  const home = t.testdir();
  const real = createDirectoryStore({ root: join(home, 'db') });
  const store: ObjectStore = { ...real, ...over };
  const clock = { ms: nowMs };
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const scope = createScope(() => undefined);
  t.teardown(() => scope.close());
  const attempt = (parts: Parts = {}): PreparedAttempt => {
    const { number = 1, accession = 'one', submitted = 100, history = [], begin = () => Promise.resolve() } = parts;
    const { buriedAtMs, keepsApart = false } = parts;
    const made = makeAttempt({ home, artifacts: [] });
    const identity: AttemptIdentity = { ...made.identity, number, accession };
    const queue = { kind: 'directory', name: 'local_q' };
    const delivery = { queue, history, buriedAtMs, begin, keepsApart } as unknown as PreparedAttempt['delivery'];
    return { ...made, scope, identity, delivery, request: { ...made.request, timeAddedSeconds: submitted } };
  };
  const use = { locateMetadata: () => ({ store, key: 'experiments/e1' }), emit: bus.emit, now: () => clock.ms };
  const ready = (one: PreparedAttempt, stages?: OperatorFunction<PreparedAttempt, ReadyAttempt>) =>
    lastValueFrom(of(one).pipe(fence(stages ?? mergeMap(async one => one as ReadyAttempt), use)));
  const end = (one: PreparedAttempt, cause: Cause) =>
    lastValueFrom(of({ ...one, end: { cause, message: cause } }).pipe(markEnd(use)));
  const later = () => (clock.ms += 3000);
  const look = (one: PreparedAttempt, cause: Cause = 'completed') => {
    later();
    return lastValueFrom(of(ended(one, cause)).pipe(standBack(use)));
  };
  const mark = async () => JSON.parse(await text((await real.get(key)).body)) as FenceMark;
  return { real, events, use, clock, attempt, ready, end, later, look, mark };
};

t.test('an attempt writes its mark while it is made ready, and its end after that', async t => {
  const { attempt, ready, end, mark } = rig(t);
  const first = attempt();
  await ready(first);
  t.match(await mark(), {
    attempt: 1,
    accession: 'one',
    state: 'running',
    submitted: 100,
    at: '2026-01-01T12:00:00.000Z',
  });
  await end(first, 'exited');
  t.match(await mark(), { state: 'ended' });
  const second = attempt({ number: 2, accession: 'two' });
  await ready(second);
  await end(second, 'completed');
  t.match(await mark(), { attempt: 2, accession: 'two', state: 'done' });
});

t.test('an attempt that its queue refuses leaves the mark of the one that runs', async t => {
  const { attempt, ready, mark } = rig(t);
  await ready(attempt());
  const begin = () => Promise.reject(new AttemptError('duplicate', 'another attempt of it runs'));
  await t.rejects(ready(attempt({ accession: 'twin', begin })), { code: 'duplicate' });
  t.match(await mark(), { accession: 'one' });
});

t.test('a first attempt marks beside what it says to its queue, a later one after it', async t => {
  const { attempt, ready, mark } = rig(t);
  const said = gate();
  const first = ready(attempt({ begin: () => said.wait() }));
  await eventually(async () => assert.equal((await mark()).accession, 'one'));
  said.open();
  await first;
  const again = gate();
  const second = ready(attempt({ number: 2, accession: 'two', begin: () => again.wait() }));
  await new Promise(resolve => setTimeout(resolve, 50));
  t.equal((await mark()).accession, 'one');
  again.open();
  await second;
  t.equal((await mark()).accession, 'two');
});

t.test('its queue is told whether others may run it', async t => {
  const { attempt, ready, end, use } = rig(t);
  const told: unknown[] = [];
  const begin: Parts['begin'] = async (_number, _key, rival) => {
    told.push(await rival);
  };
  const first = attempt({ begin });
  await ready(first);
  await ready(attempt({ accession: 'twin', begin, keepsApart: true }));
  const third = attempt({ number: 2, accession: 'next', begin });
  await ready(third);
  await end(third, 'exited');
  await ready(attempt({ number: 3, accession: 'after its end', begin }));
  const died: HistoryEntry = { cause: 'runner-died', host: 'h', at: '2026-01-01T12:30:00Z' };
  await ready(attempt({ number: 4, accession: 'after its death', begin, history: [died] }));
  t.strictSame(told, ['none', 'begun', 'begun', 'unknown', 'unknown']);
  const nowhere = attempt({ begin });
  await lastValueFrom(
    of(nowhere).pipe(
      fence(
        mergeMap(async one => one as ReadyAttempt),
        { ...use, locateMetadata: () => undefined },
      ),
    ),
  );
  t.equal(told.at(-1), 'unknown', 'where there is no fence');
});

t.test('what stands there is read again where the queue had to make sure that nobody runs it', async t => {
  const { attempt, ready, end, real } = rig(t, {
    // One that knows no conditions would be written over.
    put: (name, body, options = {}) => {
      if (options.ifMatch ?? options.ifNoneMatch) throw new StoreError('invalid', 'NotImplemented');
      return real.put(name, body, options);
    },
  });
  const first = attempt();
  await ready(first);
  const begin: Parts['begin'] = async (_number, _key, rival) => {
    t.equal(await rival, 'begun');
    await end(first, 'completed');
  };
  await t.rejects(ready(attempt({ accession: 'twin', begin })), { code: 'already-done' });
});

for (const [code, rival] of [
  ['unavailable', 'begun'],
  ['denied', 'unknown'],
] as const)
  t.test(`a store that is ${code} tells the queue '${rival}'`, async t => {
    const { attempt, ready } = rig(t, { put: () => Promise.reject(new StoreError(code, 'no')) });
    let told: unknown;
    const begin: Parts['begin'] = async (_number, _key, rival) => {
      told = await rival;
    };
    await ready(attempt({ begin }));
    t.equal(told, rival);
  });

t.test("a twin that marked first and was refused is in nobody's way", async t => {
  const { attempt, ready, mark } = rig(t);
  const refused = gate();
  const begin = () => refused.wait().then(() => Promise.reject(new AttemptError('duplicate', 'another one runs')));
  const twin = ready(attempt({ accession: 'twin', begin }));
  await eventually(async () => assert.equal((await mark()).accession, 'twin'));
  await ready(attempt({ keepsApart: true }));
  t.equal((await mark()).accession, 'one');
  refused.open();
  await t.rejects(twin, { code: 'duplicate' });
  t.equal((await mark()).accession, 'one');
});

t.test('a failure to get it ready is told when it is known whether the attempt began', async t => {
  const { attempt, ready } = rig(t);
  const beginning = gate();
  let told = false;
  const one = attempt({ begin: () => beginning.wait() });
  const readied = ready(
    one,
    mergeMap(() => throwError(() => new AttemptError('artifact-missing', 'no such object'))),
  ).catch((error: unknown) => {
    told = true;
    return error;
  });
  await new Promise(resolve => setTimeout(resolve, 20));
  t.equal(told, false);
  beginning.open();
  t.match(await readied, { code: 'artifact-missing' });
});

t.test('a second message about something that is done is not run', async t => {
  const { attempt, ready, end } = rig(t);
  const first = attempt();
  await ready(first);
  await end(first, 'completed');
  await t.rejects(ready(attempt({ accession: 'twin' })), { code: 'already-done' });
  await t.rejects(ready(attempt({ accession: 'older', submitted: 99 })), { code: 'already-done' });
  await ready(attempt({ accession: 'submitted once more', submitted: 101 }));
});

t.test('an older attempt does not start beside a newer one, unless that is known to be over', async t => {
  const { attempt, ready } = rig(t);
  await ready(attempt({ number: 3, accession: 'newer' }));
  await t.rejects(ready(attempt({ number: 1 })), { code: 'duplicate' });
  const died: HistoryEntry = { cause: 'runner-died', host: 'h', at: '2026-01-01T12:30:00Z' };
  await ready(attempt({ number: 1, accession: 'requeued', history: [died] }));
});

t.test('a dead letter that was put back as new starts over a mark from before, not beside a later one', async t => {
  const { attempt, ready, mark } = rig(t);
  await ready(attempt({ number: 3, accession: 'died' }));
  await t.rejects(ready(attempt({ buriedAtMs: nowMs - 1 })), { code: 'duplicate' }, 'another message of it runs');
  await ready(attempt({ accession: 'requeued', buriedAtMs: nowMs + 1000 }));
  t.match(await mark(), { attempt: 1, accession: 'requeued' });
});

t.test('whoever has the same number was given the message after it was given back', async t => {
  const { attempt, ready, end, mark } = rig(t);
  const first = attempt();
  await ready(first);
  await end(first, 'stopping');
  await ready(attempt({ accession: 'next' }));
  t.match(await mark(), { accession: 'next', state: 'running' });
});

t.test('beside a second message of the same number that runs no attempt starts, and what runs is stored', async t => {
  const { attempt, ready, look, end, mark } = rig(t);
  const first = attempt();
  await ready(first);
  const twin = attempt({ accession: 'twin' });
  await t.rejects(ready(twin), { code: 'duplicate', message: /another message of it runs .*by=one/ });
  await end(twin, 'duplicate');
  t.match(await mark(), { accession: 'one', state: 'running' });
  t.equal((await look(first)).end?.cause, 'completed');
  await end(first, 'completed');
  await t.rejects(ready(twin), { code: 'already-done' });
});

t.test('a queue that lets it begin speaks only for messages of its own', async t => {
  const { attempt, ready } = rig(t);
  await ready(attempt());
  const elsewhere = attempt({ accession: 'twin', keepsApart: true });
  const delivery = { ...elsewhere.delivery, queue: { kind: 'rabbitmq', name: 'rmq_q' } as const };
  await t.rejects(ready({ ...elsewhere, delivery }), { code: 'duplicate' });
});

t.test('a mark of the same number that is no longer renewed is taken over', async t => {
  const { attempt, ready, mark, clock } = rig(t);
  await ready(attempt());
  const renewBy = Date.parse((await mark()).renewBy ?? '');
  clock.ms = renewBy;
  await t.rejects(ready(attempt({ accession: 'next' })), { code: 'duplicate' });
  clock.ms = renewBy + 1;
  await ready(attempt({ accession: 'next' }));
  t.match(await mark(), { accession: 'next' });
});

t.test('whoever finds their own mark there, its writing unanswered, has it', async t => {
  let puts = 0;
  const { attempt, ready, mark, real } = rig(t, {
    put: async (...args) => {
      const stored = await real.put(...args);
      if (puts++ === 0) throw new StoreError('precondition', 'what stands there is what was sent before');
      return stored;
    },
  });
  await ready(attempt());
  t.match(await mark(), { accession: 'one', state: 'running' });
});

t.test('an attempt finds a newer one before it stores anything', async t => {
  const { attempt, ready, look, events } = rig(t);
  const first = attempt();
  await ready(first);
  t.equal((await look(first)).end?.cause, 'completed');
  await ready(attempt({ number: 2, accession: 'two' }));
  t.match(await look(first), { end: { cause: 'lease-lost', message: /attempt 2 has begun meanwhile \[by=two\]/ } });
  t.match(
    events.filter(({ event }) => event === 'stood-back').map(({ fields }) => fields),
    [{ cause: 'lease-lost', by: 'two', byAttempt: 2 }],
  );
});

t.test('a checkpoint that finds a newer attempt stops the run', async t => {
  const { attempt, ready, use, later } = rig(t);
  const first = attempt();
  await ready(first);
  await ready(attempt({ number: 2, accession: 'two' }));
  later();
  const stopped: Cause[] = [];
  const run = { stop: (cause: Cause) => stopped.push(cause) } as never;
  const passed = await lastValueFrom(of({ ...first, run }).pipe(standBack(use)), { defaultValue: undefined });
  t.equal(passed, undefined);
  t.strictSame(stopped, ['lease-lost']);
});

t.test('nobody asks again right after it was seen whose mark it is', async t => {
  let gets = 0;
  const { attempt, ready, use, real } = rig(t, { get: (...args) => (gets++, real.get(...args)) });
  const first = attempt();
  await ready(first);
  const before = gets;
  const end = lastValueFrom(of(ended(first, 'completed')).pipe(standBack(use)));
  t.equal((await end).end?.cause, 'completed');
  t.equal(gets, before);
});

t.test('nothing is started before the mark stands', async t => {
  const putting = gate();
  const { attempt, ready, real } = rig(t, {
    put: async (...args) => {
      await putting.wait();
      return real.put(...args);
    },
  });
  let isReady = false;
  const readied = ready(attempt()).then(() => (isReady = true));
  await new Promise(resolve => setTimeout(resolve, 50));
  t.equal(isReady, false);
  putting.open();
  await readied;
});

t.test('of many attempts that begin at once one starts, and its mark stands', async t => {
  const { attempt, ready, look, mark } = rig(t);
  const many = Array.from({ length: 8 }, (_, i) => attempt({ accession: `a${String(i)}` }));
  const ends = await Promise.allSettled(many.map(one => ready(one)));
  const { accession } = await mark();
  t.match(
    ends.map(one => (one.status === 'rejected' ? (one.reason as unknown) : one.value.identity.accession)),
    many.map(({ identity }) => (identity.accession === accession ? accession : { code: 'duplicate' })),
  );
  const started = many.filter(({ identity }) => identity.accession === accession);
  for (const one of started) t.equal((await look(one)).end?.cause, 'completed');
});

t.test('of attempts that a store without conditions lets begin at once every other one finds the mark', async t => {
  const bothLooked = gate();
  let looks = 0;
  const { attempt, ready, look, mark, real } = rig(t, {
    put: (name, body) => real.put(name, body),
    get: async (...args) => {
      if (++looks === 2) bothLooked.open();
      if (looks <= 2) await bothLooked.wait();
      return real.get(...args);
    },
  });
  const both = ['a', 'b'].map(accession => attempt({ accession, number: 2 }));
  await Promise.all(both.map(one => ready(one)));
  const { accession } = await mark();
  for (const one of both) {
    t.equal((await look(one)).end?.cause, one.identity.accession === accession ? 'completed' : 'duplicate');
  }
});

t.test('a store without conditions gets the mark without', async t => {
  const { attempt, ready, end, mark, real } = rig(t, {
    put: (name, body, options = {}) => {
      if (options.ifMatch ?? options.ifNoneMatch) throw new StoreError('invalid', 'NotImplemented');
      return real.put(name, body, options);
    },
  });
  const first = attempt();
  await ready(first);
  await end(first, 'completed');
  t.match(await mark(), { state: 'done' });
});

t.test('a store that fails is told, and holds nobody up', async t => {
  const { attempt, ready, look, end, events } = rig(t, {
    get: () => Promise.reject(new StoreError('denied', 'no')),
  });
  const first = attempt();
  await ready(first);
  t.equal((await look(first)).end?.cause, 'completed');
  await end(first, 'completed');
  t.match(
    events.map(({ event }) => event),
    ['fence-failed'],
  );
});
