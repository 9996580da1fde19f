import fc from 'fast-check';
import t from 'tap';
import { chooseCards, type Choice } from '../../../lib/resources/gpu/choose.ts';
import { cardShortages } from '../../../lib/resources/gpu/shortages.ts';
import { asking } from '../../helpers/amounts.ts';

const gib = 2 ** 30;
const card = (uuid: string, slots: number, memoryGib = 16, isInstance = false): Choice => ({
  uuid,
  slots,
  memoryBytes: memoryGib * gib,
  isInstance,
});
const wanted = (gpus: number, gpuMemoryGib = 0, gpuCount?: number) => ({
  gpus,
  gpuMemoryBytes: gpuMemoryGib * gib,
  ...(gpuCount === undefined ? {} : { gpuCount }),
});
const chosen = (of: ReturnType<typeof wanted>, all: readonly Choice[], free = all) =>
  chooseCards(of, all, free)?.map(({ uuid }) => uuid);

t.test('the smallest that does is taken', async t => {
  const all = [card('a100', 24, 40), card('k80', 2, 12), card('v100', 16, 32), card('t4', 8)];
  t.strictSame(chosen(wanted(2), all), ['k80']);
  t.strictSame(chosen(wanted(5), all), ['t4']);
  t.strictSame(chosen(wanted(2, 20), all), ['v100']);
  t.strictSame(chosen(wanted(1, 0, 2), all), ['k80', 't4']);
  t.strictSame(chosen(wanted(0), all), []);
  t.equal(chosen(wanted(2), all, []), undefined);
});

t.test('cards add up where none has so many slots, and only then', async t => {
  const all = [card('a', 8), card('b', 8), card('c', 4), card('d', 2)];
  t.strictSame(chosen(wanted(10), all), ['d', 'a'], 'as few as do, with as few slots as do');
  t.strictSame(chosen(wanted(18), all), ['d', 'a', 'b']);
  t.equal(chosen(wanted(23), all), undefined);
  t.equal(chosen(wanted(18, 0, 2), all), undefined, 'no more than asked for');
  t.strictSame(chosen(wanted(16, 0, 2), all), ['a', 'b']);
  t.equal(chosen(wanted(8), all, all.slice(2)), undefined, 'one that has so many is waited for');
});

t.test('MIG instances are taken one at a time and never added up', async t => {
  const all = [card('m1', 6, 20, true), card('m2', 6, 20, true), card('m3', 12, 40, true)];
  t.strictSame(chosen(wanted(4), all), ['m1']);
  t.strictSame(chosen(wanted(7), all), ['m3']);
  t.equal(chosen(wanted(13), all), undefined);
  t.equal(chosen(wanted(4, 0, 2), all), undefined);
});

const cards = fc.uniqueArray(
  fc.record({
    uuid: fc.integer({ min: 0, max: 99 }).map(String),
    slots: fc.integer({ min: 1, max: 24 }),
    memoryBytes: fc.integer({ min: 1, max: 80 }).map(n => n * gib),
    isInstance: fc.boolean(),
  }),
  { maxLength: 8, selector: one => one.uuid },
);
const requests = fc
  .record({
    gpus: fc.integer({ min: 1, max: 40 }),
    gpuMemoryBytes: fc.integer({ min: 0, max: 80 }).map(n => n * gib),
    gpuCount: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  })
  .map(({ gpuCount, ...rest }): { gpus: number; gpuMemoryBytes: number; gpuCount?: number } =>
    gpuCount === undefined ? rest : { ...rest, gpuCount },
  );

t.test('whatever the cards and the request', async t => {
  const check = () =>
    fc.assert(
      fc.property(cards, requests, fc.integer({ min: 0, max: 255 }), (all, request, mask) => {
        const free = all.filter((_, index) => mask & (1 << index));
        const got = chooseCards(request, all, free);
        const lacking = cardShortages(asking(request), all, free);
        if (!got) return lacking.length === 1 && lacking.every(one => one.available < one.asked);
        const isFree = got.every(one => free.includes(one)) && new Set(got).size === got.length;
        const hasMemory = got.every(one => one.memoryBytes >= request.gpuMemoryBytes);
        const single = got.every(one => one.slots >= request.gpus);
        const sum = got.reduce((all, one) => all + one.slots, 0);
        const isOne = got.length === 1 || got.every(one => !one.isInstance);
        const smaller = free.filter(
          one =>
            !got.includes(one) &&
            one.slots >= request.gpus &&
            one.memoryBytes >= request.gpuMemoryBytes &&
            (got.length === 1 || !one.isInstance),
        );
        const isSmallest = !single || smaller.every(one => got.every(taken => taken.slots <= one.slots));
        const count = single ? got.length === (request.gpuCount ?? 1) : got.length <= (request.gpuCount ?? Infinity);
        const added = single || !all.some(one => one.slots >= request.gpus);
        return (
          isFree &&
          hasMemory &&
          (single || sum >= request.gpus) &&
          isOne &&
          isSmallest &&
          count &&
          added &&
          lacking.length === 0
        );
      }),
      { numRuns: 3000 },
    );
  t.doesNotThrow(check);
});
