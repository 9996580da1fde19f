import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Subject } from 'rxjs';
import t from 'tap';
import { AttemptError } from '../../lib/errors.ts';
import { createGrowingDelays } from '../../lib/flow/growing-delay.ts';
import type { Cause } from '../../lib/model/outcome.ts';
import { eventually } from '../helpers/eventually.ts';
import { createRig, type Rig } from '../helpers/rig.ts';
import { ScriptedExecutor } from '../helpers/scripted-executor.ts';

const settledCount = (rig: Rig, count: number) =>
  eventually(
    () => {
      assert.equal(rig.settled.length, count);
    },
    { timeoutMs: 30_000 },
  );

/** Nothing is held any more. */
const isWhole = (rig: Rig) =>
  eventually(() => {
    assert.equal(rig.demand.out, 0);
    assert.equal(rig.ledger.grants, 0);
    assert.deepEqual(rig.ledger.free, rig.ledger.total);
    assert.equal(rig.broker.held, 0);
    const work = join(rig.home, 'work', 'experiments');
    assert.deepEqual(existsSync(work) ? readdirSync(work) : [], []);
  });

t.test('runs an experiment, stores its results, then accepts the message', async t => {
  const rig = createRig(t, { executor: new ScriptedExecutor(() => ({ stdout: 'hi\n{"experiment":{"acc":1}}\n' })) });
  rig.broker.publish('rmq_a', rig.request('one'));
  await settledCount(rig, 1);
  t.match(rig.settled[0], { experiment: 'one', settlement: 'accept', told: true, end: { cause: 'completed' } });
  t.ok(existsSync(join(rig.store, 'storage/experiments/one/output.tar')));
  const metadata = join(rig.store, 'storage/metadata');
  const scrape = readdirSync(metadata).find(name => name.startsWith('scrape-host-testhost-'));
  t.match(JSON.parse(readFileSync(join(metadata, scrape ?? ''), 'utf8')), {
    experiment: { acc: 1 },
    studioml: { status: 'completed', host: 'testhost', experiment: { key: 'one' }, exit_code: 0 },
  });
  await isWhole(rig);
});

t.test('two messages of one experiment: one runs and is stored, the other waits and is accepted', async t => {
  const running = Promise.withResolvers<void>();
  const rig = createRig(t, { executor: new ScriptedExecutor(() => ({ until: running.promise })) });
  const request = rig.request('one');
  rig.broker.publish('rmq_a', request);
  rig.broker.publish('rmq_b', request);
  await settledCount(rig, 2);
  t.match(
    rig.settled.map(({ settlement, end, delayMs }) => ({ settlement, cause: end.cause, delayMs })),
    [
      { settlement: 'release', cause: 'duplicate', delayMs: 1000 },
      { settlement: 'release', cause: 'duplicate', delayMs: 2000 },
    ],
  );
  running.resolve();
  await settledCount(rig, 4);
  t.match(
    rig.settled.slice(2).map(({ settlement, end }) => ({ settlement, cause: end.cause })),
    [
      { settlement: 'accept', cause: 'completed' },
      { settlement: 'accept', cause: 'already-done' },
    ],
  );
  t.strictSame(rig.executor.started, ['one']);
  t.ok(existsSync(join(rig.store, 'storage/experiments/one/output.tar')));
  await isWhole(rig);
});

t.test('three hundred queues with a message each and two slots: never more held than the credits and one', async t => {
  const rig = createRig(t, { executor: new ScriptedExecutor(() => ({ until: delay(2) })) });
  let mostUnadmitted = 0;
  const timer = setInterval(() => {
    mostUnadmitted = Math.max(mostUnadmitted, rig.broker.held - rig.ledger.grants);
  }, 1);
  t.teardown(() => {
    clearInterval(timer);
  });
  for (let i = 0; i < 300; i++) rig.broker.publish(`rmq_${String(i)}`, rig.request(`e${String(i)}`));
  await eventually(
    () => {
      assert.equal(rig.settled.filter(one => one.settlement === 'accept').length, 300);
    },
    { timeoutMs: 60_000 },
  );
  t.ok(mostUnadmitted <= 3, `held ${String(mostUnadmitted)} that were not admitted`);
  t.ok(rig.executor.mostRunning <= 2);
  t.equal(rig.executor.started.length, 300);
  await isWhole(rig);
});

t.test('a flood into queues that wait holds credits and one at most', async t => {
  const gate = Promise.withResolvers<void>();
  const rig = createRig(t, { executor: new ScriptedExecutor(() => ({ until: gate.promise })) });
  for (let i = 0; i < 50; i++) rig.broker.declare(`rmq_${String(i)}`);
  await delay(20);
  for (let i = 0; i < 50; i++) rig.broker.publish(`rmq_${String(i)}`, rig.request(`e${String(i)}`));
  await eventually(() => {
    assert.equal(rig.executor.running, 2);
  });
  await eventually(() => {
    assert.ok(rig.broker.held <= 3, `holds ${String(rig.broker.held)}`);
  });
  gate.resolve();
  await eventually(
    () => {
      assert.equal(new Set(rig.settled.filter(one => one.settlement === 'accept').map(one => one.experiment)).size, 50);
    },
    { timeoutMs: 60_000 },
  );
  await isWhole(rig);
});

t.test('an experiment that fails is tried three times and is then a dead letter', async t => {
  const rig = createRig(t, { executor: new ScriptedExecutor(() => ({ code: 1 })) });
  rig.broker.publish('rmq_a', rig.request('fails'));
  await settledCount(rig, 3);
  t.strictSame(
    rig.settled.map(one => one.settlement),
    ['retry', 'retry', 'reject'],
  );
  t.match(rig.broker.dead, [{ queue: 'rmq_a', reason: 'exited' }]);
  const last = rig.broker.settled.at(-1)?.settlement;
  t.equal(last?.type === 'reject' && last.history.length, 3);
  await isWhole(rig);
});

for (const cause of [
  'artifact-missing',
  'artifact-invalid',
  'access-denied',
  'environment',
  'no-such-program',
] as const) {
  t.test(`${cause} would end the same again: one attempt, then a dead letter`, async t => {
    let starts = 0;
    const provision = () => {
      starts += 1;
      throw new AttemptError(cause, 'as it was before');
    };
    const rig = createRig(t, { executor: new ScriptedExecutor(() => ({ provision })) });
    rig.broker.publish('rmq_a', rig.request('same'));
    rig.broker.publish('rmq_b', rig.request('other'));
    await settledCount(rig, 2);
    t.equal(starts, 2);
    t.strictSame(
      rig.broker.dead.map(one => one.reason),
      [cause, cause],
    );
    await isWhole(rig);
  });
}

t.test('what had its last attempt is not run again where its dead letter finds no place', async t => {
  const rig = createRig(t, { executor: new ScriptedExecutor(() => ({ code: 3 })) });
  const { broker } = rig;
  broker.unplaced = true;
  broker.publish('rmq_a', rig.request('failing'));
  const refusals = () => rig.events.filter(({ event }) => event === 'dead-letter-unplaced');
  await eventually(() => assert.ok(refusals().length >= 2), { timeoutMs: 20_000 });
  t.match(refusals()[0]?.fields, { reason: 'exited', error: /403/, remedy: 'make room', delayMs: 1000 });
  t.match(refusals()[1]?.fields, { reason: 'exited', delayMs: 2000 });
  t.equal(rig.executor.started.length, 3, 'as often as it may');
  t.equal(broker.depth('rmq_a') + broker.held, 1, 'it is there');
  broker.unplaced = false;
  await eventually(() => assert.equal(broker.dead.length, 1), { timeoutMs: 20_000 });
  t.match(broker.dead, [{ queue: 'rmq_a', reason: 'exited' }]);
  const [last] = broker.settled.slice(-1);
  t.match(last?.settlement, { type: 'reject', history: Array.from({ length: 3 }, () => ({ cause: 'exited' })) });
  t.equal(last?.settlement.type === 'reject' && last.settlement.history.length, 3, 'its end is told once');
  t.equal(rig.executor.started.length, 3);
  await isWhole(rig);
});

t.test('faults of the machine are no attempts of the user', async t => {
  const faults: Cause[] = ['store-fault', 'engine-fault', 'gpu-fault', 'broker-fault'];
  const provision = () => {
    const fault = faults.shift();
    if (fault) throw new AttemptError(fault, 'not the fault of the experiment');
  };
  const rig = createRig(t, {
    executor: new ScriptedExecutor(() => ({ provision })),
    over: { maxAttempts: 1, delays: createGrowingDelays(1, 10, 100) },
  });
  rig.broker.publish('rmq_a', rig.request('patient'));
  await settledCount(rig, 5);
  t.strictSame(
    rig.settled.map(one => [one.settlement, one.identity.number]),
    [...Array.from({ length: 4 }, () => ['release', 1]), ['accept', 1]],
  );
  await isWhole(rig);
});

t.test('what can not be read is a dead letter, and the next message runs', async t => {
  const rig = createRig(t);
  rig.broker.publish('rmq_a', Buffer.from('not json'));
  rig.broker.publish('rmq_a', { hello: 'world' });
  rig.broker.publish('rmq_a', Buffer.from('{"experiment": {"key": "half'));
  rig.broker.publish('rmq_a', Buffer.alloc(2 << 20, 0x20));
  rig.broker.publish('rmq_a', Buffer.alloc(0), { unreadBytes: 3e9 });
  rig.broker.publish('rmq_a', rig.request('good'));
  await settledCount(rig, 6);
  t.strictSame(
    rig.broker.dead.map(one => one.reason),
    ['malformed', 'not-a-request', 'malformed', 'too-large', 'too-large'],
  );
  t.match(rig.settled.at(-1), { experiment: 'good', settlement: 'accept' });
  await isWhole(rig);
});

t.test('a request larger than the machine is given back, and not asked for again at once', async t => {
  const rig = createRig(t, { over: { delays: createGrowingDelays(5000, 300_000, 10) } });
  rig.broker.publish('rmq_a', rig.request('huge', { resources_needed: { cpus: 64, ram: '4tb' } }));
  await settledCount(rig, 1);
  t.match(rig.settled[0], { settlement: 'release', delayMs: 5000, end: { cause: 'no-room-ever' } });
  t.match(rig.events.find(one => one.event === 'no-room')?.fields, {
    ever: true,
    lacking: { cores: { asked: 64, available: 2 }, memory: { asked: 4e12, available: 1e9 } },
  });
  await delay(300);
  t.equal(rig.settled.length, 1, 'it is left alone for its delay');
  await settledCount(rig, 2);
  t.equal(rig.settled[1]?.delayMs, 10_000, 'which grows');
  t.equal(rig.executor.started.length, 0);
});

t.test('a large request waits for room while another queue works, and runs when there is some', async t => {
  const gate = Promise.withResolvers<void>();
  const rig = createRig(t, {
    executor: new ScriptedExecutor(({ request }) => (request.key === 'first' ? { until: gate.promise } : {})),
  });
  rig.broker.publish('rmq_small', rig.request('first'));
  await eventually(() => {
    assert.equal(rig.executor.running, 1);
  });
  rig.broker.publish('rmq_large', rig.request('large', { resources_needed: { cpus: 2 } }));
  await eventually(() => {
    assert.ok(rig.settled.some(one => one.experiment === 'large' && one.end.cause === 'no-room'));
  });
  const asked = rig.broker.receives;
  await delay(1200);
  t.ok(rig.broker.receives - asked <= 1, 'its queue is not asked in vain');
  gate.resolve();
  await eventually(() => {
    assert.ok(rig.settled.some(one => one.experiment === 'large' && one.settlement === 'accept'));
  });
  await isWhole(rig);
});

t.test('a request past its lifetime is accepted without running', async t => {
  const rig = createRig(t);
  rig.broker.publish('rmq_a', rig.request('old', { time_added: Date.now() / 1000 - 7200 }));
  await settledCount(rig, 1);
  t.match(rig.settled[0], { settlement: 'accept', end: { cause: 'expired' } });
  t.equal(rig.executor.started.length, 0);
});

t.test('a failure before the start is stored with its reason', async t => {
  const rig = createRig(t, {
    executor: new ScriptedExecutor(() => ({
      provision: () => {
        throw new AttemptError('environment', 'no matching distribution for nothing==9');
      },
    })),
  });
  rig.broker.publish('rmq_a', rig.request('unmet'));
  await settledCount(rig, 1);
  t.match(rig.settled[0], { settlement: 'reject', end: { cause: 'environment', message: /nothing==9/ } });
  t.ok(existsSync(join(rig.store, 'storage/experiments/unmet/output.tar')));
  await isWhole(rig);
});

t.test('a missing workspace rejects the request with its place', async t => {
  const rig = createRig(t);
  const request = rig.request('lost');
  const experiment = request['experiment'] as { artifacts: Record<string, unknown> };
  experiment.artifacts['workspace'] = {
    mutable: false,
    unpack: true,
    key: 'blobstore/none.tar',
    qualified: `file://${rig.store}/storage/blobstore/none.tar`,
  };
  rig.broker.publish('rmq_a', request);
  await settledCount(rig, 1);
  t.match(rig.settled[0], {
    settlement: 'reject',
    end: { cause: 'artifact-missing', message: /workspace.*none\.tar/ },
  });
  await isWhole(rig);
});

t.test('an error that nobody expected ends its attempt only, and counts', async t => {
  const rig = createRig(t, {
    executor: new ScriptedExecutor(({ request }) => ({
      provision: () => {
        if (request.key === 'bug') throw new TypeError('undefined is not a function');
      },
    })),
  });
  rig.broker.publish('rmq_a', rig.request('bug'));
  rig.broker.publish('rmq_a', rig.request('fine'));
  await settledCount(rig, 4);
  t.strictSame(
    rig.settled.filter(one => one.experiment === 'bug').map(one => one.settlement),
    ['retry', 'retry', 'reject'],
  );
  t.match(
    rig.settled.find(one => one.experiment === 'fine'),
    { settlement: 'accept' },
  );
  await isWhole(rig);
});

t.test('a message that is lost in mid-run stops the experiment and is not settled', async t => {
  const rig = createRig(t, { executor: new ScriptedExecutor(() => ({ until: new Promise(() => undefined) })) });
  const id = rig.broker.publish('rmq_a', rig.request('lost'));
  await eventually(() => {
    assert.equal(rig.executor.running, 1);
  });
  rig.broker.lost.get(id)?.abort(new AttemptError('lease-lost', 'the connection ended'));
  await eventually(() => {
    assert.equal(rig.executor.running, 0);
    assert.equal(rig.ledger.grants, 0);
  });
  t.match(rig.broker.settled, [{ settlement: { type: 'none' } }]);
  t.notOk(existsSync(join(rig.store, 'storage/experiments/lost/output.tar')), 'nothing is stored over what others do');
});

t.test('a queue that is deleted stops its work and stores what there is', async t => {
  const rig = createRig(t, {
    executor: new ScriptedExecutor(() => ({ stdout: 'so far', until: new Promise(() => undefined) })),
  });
  rig.broker.publish('rmq_a', rig.request('cut'));
  await eventually(() => {
    assert.equal(rig.executor.running, 1);
  });
  rig.broker.delete('rmq_a');
  await eventually(() => {
    assert.ok(rig.events.some(one => one.event === 'ended' && one.fields['cause'] === 'queue-deleted'));
    assert.ok(existsSync(join(rig.store, 'storage/experiments/cut/output.tar')));
  });
});

t.test('a queue that comes back at once aborts nothing', async t => {
  const gate = Promise.withResolvers<void>();
  const rig = createRig(t, {
    executor: new ScriptedExecutor(() => ({ until: gate.promise })),
    runner: { goneAfterMs: 200 },
  });
  rig.broker.publish('rmq_a', rig.request('kept'));
  await eventually(() => {
    assert.equal(rig.executor.running, 1);
  });
  rig.broker.delete('rmq_a');
  rig.broker.declare('rmq_a');
  await delay(300);
  gate.resolve();
  await settledCount(rig, 1);
  t.match(rig.settled[0], { settlement: 'accept' });
  rig.broker.publish('rmq_a', rig.request('next'));
  await settledCount(rig, 2);
});

t.test('queues that do not match, and those that are refused, are left alone', async t => {
  const rig = createRig(t, { runner: { refuses: ({ name }) => (name === 'rmq_sealed' ? 'no key' : undefined) } });
  rig.broker.publish('other', rig.request('a'));
  rig.broker.publish('rmq_sealed', rig.request('b'));
  rig.broker.publish('rmq_mine', rig.request('c'));
  await settledCount(rig, 1);
  t.equal(rig.broker.depth('other'), 1);
  t.equal(rig.broker.depth('rmq_sealed'), 1);
  t.strictSame(
    rig.events.filter(one => one.event === 'queue-ignored').map(one => [one.queue, one.fields['why']]),
    [['rmq_sealed', 'no key']],
  );
});

t.test('a queue that is refused from now on is let go, and taken up again, while its work goes on', async t => {
  const gate = Promise.withResolvers<void>();
  const changes$ = new Subject<void>();
  let why: string | undefined;
  const rig = createRig(t, {
    executor: new ScriptedExecutor(({ request }) => (request.key === 'long' ? { until: gate.promise } : {})),
    runner: { refuses: () => why, changes$ },
  });
  const refuse = (reason: string | undefined) => {
    why = reason;
    changes$.next();
  };
  rig.broker.publish('rmq_a', rig.request('long'));
  await eventually(() => {
    assert.equal(rig.executor.running, 1);
  });
  refuse('no key');
  refuse('no key');
  rig.broker.publish('rmq_a', rig.request('next'));
  await delay(50);
  t.equal(rig.broker.depth('rmq_a'), 1, 'nothing more is taken');
  refuse('another reason');
  refuse(undefined);
  await settledCount(rig, 1);
  t.match(rig.settled[0], { experiment: 'next', settlement: 'accept' }, 'the work of before does not keep it');
  refuse('no key');
  gate.resolve();
  await settledCount(rig, 2);
  t.match(rig.settled[1], { experiment: 'long', settlement: 'accept' });
  t.strictSame(
    rig.events.filter(one => one.event.startsWith('queue-')).map(one => [one.event, one.fields['why']]),
    [
      ['queue-found', undefined],
      ['queue-ignored', 'no key'],
      ['queue-ignored', 'another reason'],
      ['queue-found', undefined],
      ['queue-ignored', 'no key'],
    ],
  );
  await isWhole(rig);
});

t.test('stopping gives running work back, stored, and ends clean', async t => {
  const rig = createRig(t, {
    executor: new ScriptedExecutor(() => ({ stdout: 'half', until: new Promise(() => undefined) })),
  });
  rig.broker.publish('rmq_a', rig.request('long'));
  rig.broker.publish('rmq_a', rig.request('longer'));
  rig.broker.publish('rmq_a', rig.request('waiting'));
  await eventually(() => {
    assert.equal(rig.executor.running, 2);
  });
  rig.runner.stop();
  t.match(await rig.runner.finished, { clean: true });
  t.strictSame(
    rig.settled.map(one => [one.settlement, one.end.cause]),
    [
      ['release', 'stopping'],
      ['release', 'stopping'],
    ],
  );
  t.equal(rig.broker.depth('rmq_a'), 3);
  t.ok(existsSync(join(rig.store, 'storage/experiments/long/output.tar')));
  t.ok(rig.broker.closed);
  await isWhole(rig);
});

t.test('with a drain time running work ends by itself', async t => {
  const gate = Promise.withResolvers<void>();
  const rig = createRig(t, {
    executor: new ScriptedExecutor(() => ({ until: gate.promise })),
    runner: { drainMs: 10_000 },
  });
  rig.broker.publish('rmq_a', rig.request('one'));
  await eventually(() => {
    assert.equal(rig.executor.running, 1);
  });
  rig.runner.stop();
  rig.broker.publish('rmq_a', rig.request('two'));
  gate.resolve();
  t.match(await rig.runner.finished, { clean: true, settled: 1 });
  t.equal(rig.broker.depth('rmq_a'), 1);
});
