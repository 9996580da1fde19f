import fc from 'fast-check';
import t from 'tap';
import { openCards, type CardsSettings } from '../../../lib/resources/gpu/open-cards.ts';
import type { MeasuredCard } from '../../../lib/resources/gpu/parse.ts';
import { Ledger } from '../../../lib/resources/ledger.ts';
import type { Grant } from '../../../lib/model/resources.ts';
import { asking } from '../../helpers/amounts.ts';

const gib = 2 ** 30;
const card = (uuid: string, name: string, more: Partial<MeasuredCard> = {}): MeasuredCard => ({
  uuid,
  name,
  index: 0,
  memoryBytes: 16 * gib,
  usedBytes: 0,
  uncorrectable: 0,
  ...more,
});

/** Cards that a test says, and a clock of its own. */
const scene = async (first: readonly MeasuredCard[], over: Partial<CardsSettings> = {}) => {
  const events: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const now = { cards: first as readonly MeasuredCard[] | Error, ms: 0 };
  const cards = await openCards({
    read: () => (now.cards instanceof Error ? Promise.reject(now.cards) : Promise.resolve(now.cards)),
    visible: undefined,
    overrides: new Map(),
    emit: (event, fields) => events.push({ event, fields }),
    now: () => now.ms,
    ...over,
  });
  return { cards, events, now, names: () => events.map(({ event }) => event) };
};
const t4 = card('GPU-t4', 'Tesla T4');
const v100 = card('GPU-v100', 'Tesla V100-SXM2-32GB', { memoryBytes: 32 * gib });

t.test('a card that somebody else fills is not granted until it is free', async t => {
  const { cards, events, now } = await scene([t4]);
  t.strictSame(cards.shortageNow(asking({ gpus: 1 })), []);
  now.cards = [{ ...t4, usedBytes: 8 * gib }];
  await cards.refresh();
  t.match(cards.shortageNow(asking({ gpus: 1 })), [{ resource: 'gpus', asked: 1, available: 0 }]);
  t.strictSame(cards.shortageEver(asking({ gpus: 1 })), [], 'it may become free');
  t.equal(cards.take(asking({ gpus: 1 })), undefined);
  await cards.refresh();
  t.match(events, [{ event: 'gpus-found' }, { event: 'gpu-unfit', fields: { gpu: 'GPU-t4', why: /somebody else/ } }]);
  now.cards = [{ ...t4, usedBytes: gib }];
  await cards.refresh();
  const taken = cards.take(asking({ gpus: 1 }));
  t.strictSame(taken?.uuids, ['GPU-t4']);
  taken?.release();
  cards.close();
});

t.test('memory that a run has used is its own, and its peak is told', async t => {
  const { cards, now, names } = await scene([t4, v100]);
  const taken = cards.take(asking({ gpus: 1, gpuCount: 2 }));
  t.strictSame(taken?.uuids, ['GPU-t4', 'GPU-v100']);
  now.cards = [
    { ...t4, usedBytes: 8 * gib },
    { ...v100, usedBytes: 4 * gib },
  ];
  await cards.refresh();
  now.cards = [
    { ...t4, usedBytes: 2 * gib },
    { ...v100, usedBytes: 5 * gib },
  ];
  await cards.refresh();
  t.equal(taken?.peakBytes(), 12 * gib);
  t.strictSame(names(), ['gpus-found'], 'it is no stranger');
  taken?.release();
  cards.close();
});

t.test('while a card is held its memory is followed, and only then', async t => {
  const followers = new Set<(uuid: string, usedBytes: number) => void>();
  const { cards } = await scene([t4, v100], {
    followMemory: tell => {
      followers.add(tell);
      return () => followers.delete(tell);
    },
  });
  const tell = (uuid: string, usedBytes: number) => {
    for (const one of followers) one(uuid, usedBytes);
  };
  t.equal(followers.size, 0);
  const first = cards.take(asking({ gpus: 1 }));
  const second = cards.take(asking({ gpus: 1 }));
  t.equal(followers.size, 1, 'one serves all');
  tell('GPU-t4', 3 * gib);
  tell('GPU-t4', gib);
  tell('GPU-v100', 2 * gib);
  tell('GPU-other', 9 * gib);
  t.strictSame([first?.peakBytes(), second?.peakBytes()], [3 * gib, 2 * gib]);
  t.match(cards.states, [
    { uuid: 'GPU-t4', isHeld: true, isFree: false, usedBytes: gib },
    { uuid: 'GPU-v100', isHeld: true, isFree: false, usedBytes: 2 * gib },
  ]);
  first?.release();
  t.equal(followers.size, 1);
  second?.release();
  t.equal(followers.size, 0);
  t.equal(first?.peakBytes(), 3 * gib, 'it is still told of who has ended');
  t.match(cards.states, [{ isHeld: false, isFree: true, usedBytes: 0 }, { isFree: true }]);
  cards.close();
});

t.test('MIG instances are looked at by themselves', async t => {
  const instance = card('MIG-1', 'NVIDIA A100', { part: { of: 'GPU-a', ofMemoryBytes: 40 * gib } });
  const { cards } = await scene([instance], { followMemory: () => t.fail('it knows nothing of them') as never });
  const taken = cards.take(asking({ gpus: 1 }));
  t.strictSame(taken?.uuids, ['MIG-1']);
  taken?.release();
  cards.close();
});

t.test('a driver frees memory a moment after a run has ended: that is waited for', async t => {
  const reads = [[t4], [{ ...t4, usedBytes: 8 * gib }], [{ ...t4, usedBytes: 8 * gib }], [t4]];
  let count = 0;
  const { cards } = await scene([], { read: () => Promise.resolve(reads[Math.min(count++, 3)] ?? []) });
  cards.take(asking({ gpus: 1 }))?.release();
  await cards.refresh();
  t.strictSame(cards.shortageNow(asking({ gpus: 1 })), []);
  t.equal(count, 4);
  cards.close();
});

t.test(
  'who waits for a card that a run has filled is told of room when that has ended: nobody else would look',
  async t => {
    const { cards, now } = await scene([t4]);
    const taken = cards.take(asking({ gpus: 1 }));
    now.cards = [{ ...t4, usedBytes: 8 * gib }];
    await cards.refresh();
    taken?.release();
    t.strictSame(cards.shortageNow(asking({ gpus: 1 })), []);
    cards.close();
  },
);

t.test('a card with errors is out, and said once', async t => {
  const { cards, events } = await scene([{ ...t4, uncorrectable: 2 }, v100]);
  t.strictSame(
    cards.all.map(({ uuid }) => uuid),
    ['GPU-v100'],
  );
  t.match(cards.shortageEver(asking({ gpus: 1, gpuCount: 2 })), [{ resource: 'gpu cards', asked: 2, available: 1 }]);
  await cards.refresh();
  t.match(
    events.filter(({ event }) => event === 'gpu-unfit'),
    [{ fields: { gpu: 'GPU-t4', why: /2 memory errors/ } }],
  );
  cards.close();
});

t.test('while cards can not be looked at none is granted', async t => {
  const { cards, now, names } = await scene([t4]);
  now.cards = new Error('no driver');
  await t.rejects(cards.refresh(), /no driver/);
  await t.rejects(cards.refresh(), /no driver/);
  t.equal(cards.take(asking({ gpus: 1 })), undefined);
  t.strictSame(names(), ['gpus-found', 'gpus-unavailable'], 'said once');
  now.cards = [t4];
  await cards.refresh();
  t.ok(cards.take(asking({ gpus: 1 })));
  cards.close();
});

t.test('one that is set aside is not granted until it is put back; an unknown model is said', async t => {
  const { cards, events } = await scene([card('GPU-x', 'NVIDIA Nobody Knows')]);
  cards.setAside('GPU-x');
  t.equal(cards.take(asking({ gpus: 1 })), undefined);
  let changes = 0;
  cards.changed$.subscribe(() => (changes += 1));
  cards.putBack('GPU-x');
  t.equal(changes, 1);
  t.ok(cards.take(asking({ gpus: 8 })));
  t.match(events, [
    { event: 'gpu-unknown', fields: { name: 'NVIDIA Nobody Knows', slots: 8 } },
    { event: 'gpus-found' },
  ]);
  cards.close();
});

t.test('a run that failed is looked at: its card may be to blame', async t => {
  const { cards, now } = await scene([t4, v100]);
  const taken = cards.take(asking({ gpus: 1 }));
  t.equal(await taken?.fault(), false);
  now.cards = [t4, { ...v100, uncorrectable: 1 }];
  t.equal(await taken?.fault(), false, 'another one is not');
  for (const wrong of [[{ ...t4, uncorrectable: 1 }, v100], [v100], new Error('no driver')]) {
    now.cards = wrong;
    t.equal(await taken?.fault(), true);
  }
  taken?.release();
  cards.close();
});

t.test('what is gone is granted no more', async t => {
  const { cards, now } = await scene([t4, v100]);
  now.cards = [v100];
  await cards.refresh();
  t.strictSame(cards.take(asking({ gpus: 1 }))?.uuids, ['GPU-v100']);
  t.equal(cards.take(asking({ gpus: 1 })), undefined);
  cards.close();
});

t.test('no card is ever granted twice, and all come back', async t => {
  const machine = [
    t4,
    v100,
    card('GPU-a', 'Tesla P100-PCIE-16GB'),
    card('MIG-1', 'NVIDIA A100', { part: { of: 'GPU-c', ofMemoryBytes: 40 * gib } }),
  ];
  const { cards } = await scene(machine);
  const checked = fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 3 }), fc.nat(9)), { maxLength: 40 }),
      async steps => {
        const ledger = new Ledger({ cores: 100, memoryBytes: 0, diskBytes: 0 }, cards);
        const held: Grant[] = [];
        for (const [gpus, gpuCount, index] of steps) {
          const grant = ledger.tryGrant(asking({ gpus, ...(gpuCount > 0 && { gpuCount }) }));
          if (grant) held.push(grant);
          const uuids = held.flatMap(({ gpuUuids }) => gpuUuids);
          if (new Set(uuids).size !== uuids.length) return false;
          if (index < held.length) held.splice(index, 1)[0]?.releaseCompute();
        }
        for (const grant of held) grant.releaseCompute();
        const all = machine.map(() => ledger.tryGrant(asking({ gpus: 1 })));
        for (const grant of all) grant?.releaseCompute();
        return all.every(Boolean);
      },
    ),
  );
  await t.resolves(checked);
  cards.close();
});
