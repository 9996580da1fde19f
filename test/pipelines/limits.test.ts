import t from 'tap';
import { createPassage } from '../../lib/flow/passage.ts';
import type { PulledDelivery } from '../../lib/model/attempt.ts';
import type { WorkQueue } from '../../lib/queues/queue.ts';
import { createLimits, type LimitSettings } from '../../pipelines/limits.ts';

const queue = {} as WorkQueue;
const signal = new AbortController().signal;

const scene = (settings: Partial<LimitSettings>) => {
  const stops: string[] = [];
  const released: unknown[] = [];
  const passage = createPassage();
  const limits = createLimits({ tasks: 0, idleMs: 0, intervalMs: 1000, stop: why => stops.push(why), ...settings });
  const take = limits.limited(() =>
    Promise.resolve({
      delivery: { settle: (settlement: unknown) => Promise.resolve(void released.push(settlement)) },
      credit: { release: () => undefined },
      through: passage.enter(),
    } as unknown as PulledDelivery),
  );
  return { stops, released, passage, limits, take };
};

t.test('no more messages are taken than experiments are left; one that is given back is not counted', async t => {
  const { stops, released, limits, take } = scene({ tasks: 2 });
  t.ok(await take(queue, signal));
  const [second, third] = await Promise.all([take(queue, signal), take(queue, signal)]);
  t.same([second !== undefined, third], [true, undefined]);
  t.same(released, [{ type: 'release', delayMs: 0 }], 'one too many goes back');
  const waiting = take(queue, signal);
  limits.settled({ settlement: 'release' });
  t.ok(await waiting, 'there is room for it now');
  limits.settled({ settlement: 'accept' });
  t.same(stops, []);
  limits.settled({ settlement: 'reject' });
  t.same(stops, ['LIMIT_TASKS experiments are done']);
});

t.test('whoever waits for room leaves when it is let go of', async t => {
  const { take } = scene({ tasks: 1 });
  await take(queue, signal);
  const stop = new AbortController();
  const waiting = take(queue, stop.signal);
  stop.abort(new Error('stopped'));
  await t.rejects(waiting, /stopped/);
});

t.test('a runner is idle when it holds nothing for long enough', async t => {
  const { setInterval: real } = globalThis;
  let look = () => {};
  let everyMs = 0;
  globalThis.setInterval = ((work: () => void, ms: number) => {
    look = work;
    everyMs = ms;
    return { unref: () => undefined };
  }) as unknown as typeof setInterval;
  let nowMs = 0;
  const { stops, limits, take } = scene({ idleMs: 60_000, intervalMs: 300_000, now: () => nowMs });
  globalThis.setInterval = real;
  t.equal(everyMs, 60_000, 'as often as it may be idle');
  await take(queue, signal);
  nowMs = 200_000;
  look();
  t.same(stops, [], 'it has work');
  limits.settled({ settlement: 'accept' });
  nowMs = 259_999;
  look();
  t.same(stops, []);
  nowMs = 260_000;
  look();
  t.same(stops, ['it was idle for LIMIT_IDLE_DURATION']);
});

t.test('a message too many is not on its way any more', async t => {
  const { passage, take } = scene({ tasks: 1 });
  const [first] = await Promise.all([take(queue, signal), take(queue, signal)]);
  first?.through?.();
  const late = new AbortController();
  const cleared = passage.clear(60_000, late.signal).then(() => !late.signal.aborted);
  setImmediate(() => late.abort());
  t.ok(await cleared);
});
