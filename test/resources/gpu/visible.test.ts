import t from 'tap';
import { createVisibleCards } from '../../../lib/resources/gpu/visible.ts';

const card = (uuid: string, index: number, of?: string) => ({
  uuid,
  index,
  name: '',
  memoryBytes: 0,
  usedBytes: 0,
  uncorrectable: 0,
  ...(of === undefined ? {} : { part: { of, ofMemoryBytes: 0 } }),
});
const all = [card('GPU-aa', 0), card('GPU-ab', 1), card('MIG-1', 2, 'GPU-cc'), card('MIG-2', 2, 'GPU-cc')];

for (const [value, seen] of [
  [undefined, ['GPU-aa', 'GPU-ab', 'MIG-1', 'MIG-2']],
  ['all', ['GPU-aa', 'GPU-ab', 'MIG-1', 'MIG-2']],
  ['', []],
  ['-1', []],
  ['NoDevFiles', []],
  ['1', ['GPU-ab']],
  ['1, 0', ['GPU-aa', 'GPU-ab']],
  ['GPU-ab', ['GPU-ab']],
  ['GPU-a', ['GPU-aa', 'GPU-ab']],
  ['2', ['MIG-1', 'MIG-2']],
  ['GPU-cc', ['MIG-1', 'MIG-2']],
  ['MIG-2', ['MIG-2']],
  ['0,9,1', ['GPU-aa']],
  ['nonsense', []],
] as const)
  t.test(`CUDA_VISIBLE_DEVICES=${value ?? '(not set)'}`, async t => {
    t.strictSame(
      createVisibleCards(value)(all).map(({ uuid }) => uuid),
      seen,
    );
  });

/** Looks at cards in nvidia-smi's order, one after the other. */
const looks = (value: string) => {
  const visible = createVisibleCards(value);
  return (...cards: readonly string[]) =>
    visible(cards.map((uuid, index) => card(uuid, index))).map(({ uuid }) => uuid);
};

t.test('numbers stand for the cards that they stood for at first, whatever falls off the bus', async t => {
  const uuids = looks('0,1');
  t.strictSame(uuids('GPU-a', 'GPU-b', 'GPU-c'), ['GPU-a', 'GPU-b']);
  t.strictSame(uuids('GPU-b', 'GPU-c'), ['GPU-b']);
  t.strictSame(uuids('GPU-a', 'GPU-b', 'GPU-c'), ['GPU-a', 'GPU-b']);
});

t.test('a number that stood for no card yet stands for the first that has it', async t => {
  const uuids = looks('0,1');
  t.strictSame(uuids('GPU-a'), ['GPU-a']);
  t.strictSame(uuids('GPU-a', 'GPU-b', 'GPU-c'), ['GPU-a', 'GPU-b']);
});

t.test('a card may be partitioned while it is known by its number', async t => {
  const visible = createVisibleCards('0');
  const seen = (cards: Parameters<typeof visible>[0]) => visible(cards).map(({ uuid }) => uuid);
  t.strictSame(seen([card('GPU-a', 0), card('GPU-b', 1)]), ['GPU-a']);
  t.strictSame(seen([card('MIG-1', 0, 'GPU-a'), card('GPU-b', 1)]), ['MIG-1']);
});
