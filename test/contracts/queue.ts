import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { filter, firstValueFrom, timeout } from 'rxjs';
import type { Test } from 'tap';
import type { Delivery } from '../../lib/model/delivery.ts';
import type { HistoryEntry } from '../../lib/model/outcome.ts';
import { QueueGone, type QueueBroker, type WorkQueue } from '../../lib/queues/queue.ts';
import { eventually } from '../helpers/eventually.ts';
import { inTime } from '../helpers/in-time.ts';

/** What a dead letter tells, wherever it lies. */
export interface DeadLetter {
  readonly body: string;
  readonly reason: string;
  readonly message: string;
  readonly history: readonly HistoryEntry[];
}

/** A real broker, seen from the client's and the operator's side. */
export interface QueueHarness {
  /** Whether the service itself promises no order. */
  readonly unordered?: boolean;
  /** A name that discovery finds. */
  declare(): Promise<string>;
  /** The queue of reports that belongs to it, as the client makes it. */
  declareResponse(queue: string): Promise<string>;
  delete(queue: string): Promise<void>;
  publish(queue: string, body: string): Promise<void>;
  deadLetters(queue: string): Promise<readonly DeadLetter[]>;
  /** A driver as another runner would have it. */
  broker(): QueueBroker;
}

const never = new AbortController().signal;
const entry: HistoryEntry = {
  cause: 'exited',
  host: 'elsewhere',
  at: '2026-01-01T00:00:00.000Z',
  message: 'exited with code 1',
};

/** The next message, as a pipeline takes it: asked for, then waited for. */
const take = async (queue: WorkQueue, signal: AbortSignal = AbortSignal.timeout(10_000)): Promise<Delivery> => {
  for (;;) {
    const delivery = (await queue.receive(signal)) ?? (await queue.wait(signal));
    if (delivery) return delivery;
  }
};

const isEmpty = (queue: WorkQueue) =>
  eventually(async () => {
    assert.equal(await queue.receive(never), undefined);
  });

/** What every queue driver promises. Run it on the real thing. */
export const queueContract = (t: Test, open: (t: Test) => Promise<QueueHarness>): void => {
  const scene = async (t: Test) => {
    const harness = await open(t);
    const broker = harness.broker();
    t.teardown(() => broker.close());
    const name = await harness.declare();
    return { harness, broker, name, queue: broker.open(name) };
  };

  t.test('an empty queue gives nothing', async t => {
    const { queue } = await scene(t);
    t.equal(await queue.receive(never), undefined);
  });

  t.test('waiting ends soon after a message is published', async t => {
    const { harness, name, queue } = await scene(t);
    await queue.receive(never);
    const tookMs = await inTime(1500, async () => {
      const taken = take(queue);
      await delay(100);
      const publishedAt = performance.now();
      await harness.publish(name, 'bell');
      const delivery = await taken;
      const waitedMs = performance.now() - publishedAt;
      t.equal(delivery.body.toString(), 'bell');
      await delivery.settle({ type: 'accept' });
      await isEmpty(queue);
      return waitedMs;
    });
    t.comment(`taken ${tookMs.map(ms => ms.toFixed(1)).join(', ')} ms after it was published`);
    t.ok(Math.min(...tookMs) < 1500, 'without waiting for a slow poll');
  });

  t.test('messages come in their order, each once, with nothing behind them', async t => {
    const { harness, name, queue } = await scene(t);
    for (const body of ['one', 'two', 'three']) {
      await harness.publish(name, body);
      await delay(15);
    }
    const bodies: string[] = [];
    for (let i = 0; i < 3; i++) {
      const delivery = await take(queue);
      bodies.push(delivery.body.toString());
      t.match(delivery, { queue: { name }, attemptsBefore: 0, history: [] });
      await delivery.settle({ type: 'accept' });
    }
    const all = ['one', 'two', 'three'];
    t.strictSame(harness.unordered ? bodies.sort() : bodies, harness.unordered ? all.sort() : all);
    await isEmpty(queue);
  });

  t.test('a released message comes again, uncounted', async t => {
    const { harness, name, queue } = await scene(t);
    await harness.publish(name, 'again');
    const first = await take(queue);
    await first.begin(1, 'key');
    await first.settle({ type: 'release', delayMs: 0 });
    const second = await take(queue);
    t.match(second, { attemptsBefore: 0, history: [] });
    t.equal(second.body.toString(), 'again');
    await second.settle({ type: 'accept' });
    await isEmpty(queue);
  });

  t.test('a message that nobody can run comes again behind the others, uncounted, and says since when', async t => {
    const { harness, broker, name, queue } = await scene(t);
    const first = Date.now();
    await harness.publish(name, 'nobody');
    await delay(15);
    if (!harness.unordered) await harness.publish(name, 'other');
    const delivery = await take(queue);
    await delivery.settle({ type: 'release', delayMs: 0, unplacedSinceMs: first });
    if (!harness.unordered) {
      // Listed afresh, not from before it went back.
      const other = await take(broker.open(name));
      t.equal(other.body.toString(), 'other');
      await other.settle({ type: 'accept' });
    }
    const second = await take(queue);
    t.equal(second.body.toString(), 'nobody');
    t.match(second, { attemptsBefore: 0, history: [] });
    const sinceMs = second.unplacedSinceMs ?? NaN;
    t.ok(Math.abs(sinceMs - first) < 60_000, 'its service or the runner before says since when');
    const earlier = first - 3_600_000;
    await second.begin(1, 'key');
    await second.settle({ type: 'release', delayMs: 0, unplacedSinceMs: earlier });
    const third = await take(queue);
    t.match(third, { attemptsBefore: 0, history: [], unplacedSinceMs: earlier });
    await third.begin(1, 'key');
    await third.settle({ type: 'retry', attempt: 1, history: [entry] });
    const fourth = await take(queue);
    t.match(fourth, { attemptsBefore: 1, history: [entry], unplacedSinceMs: earlier });
    await fourth.settle({ type: 'accept' });
    await isEmpty(queue);
  });

  t.test('a retried message comes again with its number and history, behind the others', async t => {
    const { harness, name, queue } = await scene(t);
    await harness.publish(name, 'tried');
    await delay(15);
    if (!harness.unordered) await harness.publish(name, 'other');
    const first = await take(queue);
    await first.settle({ type: 'retry', attempt: 1, history: [entry] });
    if (!harness.unordered) {
      const other = await take(queue);
      t.equal(other.body.toString(), 'other');
      await other.settle({ type: 'accept' });
    }
    const second = await take(queue);
    t.equal(second.body.toString(), 'tried');
    t.equal(second.attemptsBefore, 1);
    t.strictSame(second.history, [entry]);
    await second.settle({ type: 'accept' });
    await isEmpty(queue);
  });

  t.test('a rejected message lies whole where an operator finds it, with reason and history', async t => {
    const { harness, name, queue } = await scene(t);
    await harness.publish(name, '{"not": "a request"}');
    const delivery = await take(queue);
    await delivery.settle({ type: 'reject', reason: 'not-a-request', message: 'no experiment.key', history: [entry] });
    await eventually(async () => {
      assert.equal((await harness.deadLetters(name)).length, 1);
    });
    t.strictSame(await harness.deadLetters(name), [
      { body: '{"not": "a request"}', reason: 'not-a-request', message: 'no experiment.key', history: [entry] },
    ]);
    await isEmpty(queue);
  });

  t.test('a message is settled once', async t => {
    const { harness, name, queue } = await scene(t);
    await harness.publish(name, 'once');
    const delivery = await take(queue);
    await delivery.settle({ type: 'accept' });
    await t.rejects(delivery.settle({ type: 'accept' }), { message: /twice/ });
    await isEmpty(queue);
  });

  t.test('an aborted wait takes nothing', async t => {
    const { harness, name, queue } = await scene(t);
    for (let round = 0; round < 5; round++) {
      const controller = new AbortController();
      const waiting = queue.wait(controller.signal);
      await delay(round * 5);
      controller.abort(new Error('enough'));
      await t.rejects(waiting, { message: 'enough' });
    }
    await harness.publish(name, 'kept');
    const delivery = await take(queue);
    t.equal(delivery.body.toString(), 'kept');
    await delivery.settle({ type: 'accept' });
    await isEmpty(queue);
  });

  t.test('a wait that is aborted while a message comes loses nothing', async t => {
    const { harness, name, queue } = await scene(t);
    const controller = new AbortController();
    const waiting = queue.wait(controller.signal).catch(() => undefined);
    await delay(50);
    const published = harness.publish(name, 'racing');
    controller.abort(new Error('now'));
    const handed = await waiting;
    await published;
    const delivery = handed ?? (await take(queue));
    t.equal(delivery.body.toString(), 'racing');
    await delivery.settle({ type: 'accept' });
    await isEmpty(queue);
  });

  t.test('a queue that is deleted is gone, also for those who wait', async t => {
    const { harness, name, queue } = await scene(t);
    t.equal(await queue.receive(never), undefined);
    const waiting = t.rejects(queue.wait(never), QueueGone);
    await delay(100);
    await harness.delete(name);
    await waiting;
    await t.rejects(queue.receive(never), QueueGone);
  });

  t.test('discovery sees queues come and go', async t => {
    const { harness, broker, name } = await scene(t);
    const seen = (there: boolean, queue: string) =>
      firstValueFrom(
        broker.discover().pipe(
          filter(names => names.has(queue) === there),
          timeout(6000),
        ),
      );
    await seen(true, name);
    // One that looks already when the queue appears. A shared broker may have queues of others too.
    let latest: ReadonlySet<string> = new Set();
    const watching = broker.discover().subscribe(names => (latest = names));
    t.teardown(() => watching.unsubscribe());
    await eventually(() => {
      assert.ok(latest.has(name));
    });
    const response = await harness.declareResponse(name);
    const second = await harness.declare();
    await eventually(() => {
      assert.ok(latest.has(second));
    });
    t.notOk(latest.has(response), 'reports are no work');
    await harness.delete(second);
    t.ok((await seen(false, second)).has(name));
  });

  t.test('what is not settled goes back when the driver lets go', async t => {
    const { harness, broker, name, queue } = await scene(t);
    await harness.publish(name, 'held');
    await take(queue);
    await broker.close();
    const other = harness.broker();
    t.teardown(() => other.close());
    const delivery = await take(other.open(name));
    t.equal(delivery.body.toString(), 'held');
    await delivery.settle({ type: 'accept' });
  });

  t.test('what was begun and is not settled goes back counted', async t => {
    const { harness, broker, name, queue } = await scene(t);
    await harness.publish(name, 'begun');
    const first = await take(queue);
    await first.begin(1, 'key');
    await broker.close();
    const other = harness.broker();
    t.teardown(() => other.close());
    const second = await take(other.open(name));
    t.match(second, { attemptsBefore: 1, history: [] });
    t.equal(second.body.toString(), 'begun');
    await second.begin(2, 'key');
    await second.settle({ type: 'accept' });
    await isEmpty(other.open(name));
  });

  t.test('a message that was begun is settled like any other, whatever was begun meanwhile', async t => {
    const { harness, name, queue } = await scene(t);
    for (const body of ['accept', 'retry', 'reject']) {
      await harness.publish(name, body);
      await delay(15);
    }
    const taken = [await take(queue), await take(queue), await take(queue)];
    await Promise.all(taken.map(one => one.begin(1, one.body.toString())));
    await delay(500);
    const named = (body: string) => taken.find(one => one.body.toString() === body);
    const [accepted, retried, rejected] = [named('accept'), named('retry'), named('reject')];
    if (!accepted || !retried || !rejected) throw new Error('not every message came');
    await rejected.settle({ type: 'reject', reason: 'artifact-missing', message: 'no such object', history: [entry] });
    await retried.settle({ type: 'retry', attempt: 1, history: [entry] });
    await accepted.settle({ type: 'accept' });
    const again = await take(queue);
    t.equal(again.body.toString(), 'retry');
    t.match(again, { attemptsBefore: 1, history: [entry] });
    await again.begin(2, 'retry');
    await again.settle({ type: 'accept' });
    await eventually(async () => {
      assert.equal((await harness.deadLetters(name)).length, 1);
    });
    t.match(await harness.deadLetters(name), [{ body: 'reject', reason: 'artifact-missing', history: [entry] }]);
    await isEmpty(queue);
  });

  t.test('a queue that is let go of leaves what is out to its holder', async t => {
    const { harness, broker, name, queue } = await scene(t);
    await harness.publish(name, 'held');
    const held = await take(queue);
    await queue.close();
    const again = broker.open(name);
    await delay(50);
    t.equal(await again.receive(never), undefined);
    t.equal(held.lost.aborted, false);
    await held.settle({ type: 'accept' });
    await delay(50);
    await isEmpty(again);
  });

  t.test('whenever a receive or a wait is aborted, every message comes once', { timeout: 60_000 }, async t => {
    const { harness, name, queue } = await scene(t);
    const count = 60;
    const seen: string[] = [];
    const settle = async (delivery: Delivery | undefined) => {
      if (!delivery) return;
      seen.push(delivery.body.toString());
      await delivery.settle({ type: 'accept' });
    };
    for (let i = 0; i < count; i++) {
      const controller = new AbortController();
      const reason = new Error('enough');
      const abort = delay((i % 12) / 3).then(() => controller.abort(reason));
      const published = harness.publish(name, String(i));
      for (const ask of ['receive', 'wait'] as const) {
        await queue[ask](controller.signal).then(settle, (error: unknown) => {
          if (error !== reason) throw error;
        });
      }
      await Promise.all([abort, published]);
    }
    const until = AbortSignal.timeout(20_000);
    while (seen.length < count) await settle(await take(queue, until));
    await isEmpty(queue);
    t.strictSame([...new Set(seen)].sort(), seen.sort());
    t.equal(seen.length, count);
  });

  t.test('two runners never get one message both', async t => {
    const { harness, name, queue } = await scene(t);
    const second = harness.broker();
    t.teardown(() => second.close());
    const count = 40;
    for (let i = 0; i < count; i++) await harness.publish(name, String(i));
    const bodies: string[] = [];
    const consume = async (from: WorkQueue) => {
      while (bodies.length < count) {
        const delivery = await from.receive(never);
        if (!delivery) {
          await delay(5);
          continue;
        }
        bodies.push(delivery.body.toString());
        await delivery.settle({ type: 'accept' });
      }
    };
    await Promise.all([consume(queue), consume(second.open(name))]);
    t.equal(new Set(bodies).size, count);
    t.equal(bodies.length, count);
  });
};
