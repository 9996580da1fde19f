import t from 'tap';
import { parseSlots, slotsOf } from '../../../lib/resources/gpu/slots.ts';

const gib = 2 ** 30;
const card = (name: string, memoryBytes = 16 * gib) => ({
  uuid: 'u',
  name,
  index: 0,
  memoryBytes,
  usedBytes: 0,
  uncorrectable: 0,
});
const none = new Map<string, number>();

for (const [name, slots] of [
  ['GeForce GTX 1050', 2],
  ['GeForce GTX 1070 Ti', 2],
  ['NVIDIA GeForce GTX 1080', 2],
  ['NVIDIA TITAN X (Pascal)', 2],
  ['NVIDIA GeForce RTX 2080 Ti', 2],
  ['Tesla K80', 2],
  ['Tesla P40', 4],
  ['Tesla P100-PCIE-16GB', 8],
  ['Tesla V100-SXM2-32GB', 16],
  ['NVIDIA A100-SXM4-80GB', 24],
  ['A100-PCIE-40GB', 24],
  ['Tesla T4', 8],
  ['NVIDIA L4', 12],
  ['NVIDIA L40', 24],
  ['NVIDIA A10', 16],
  ['NVIDIA A10G', 16],
  ['NVIDIA GeForce RTX 3080', 8],
  ['NVIDIA GeForce RTX 4090', 16],
  ['NVIDIA GeForce RTX 5090', 24],
  ['NVIDIA H100 80GB HBM3', 48],
  ['NVIDIA H200', 64],
  ['NVIDIA B200', 96],
] as const)
  t.test(`${name} has ${String(slots)} slots`, async t => {
    t.strictSame(slotsOf(card(name), none), { slots, isKnown: true });
  });

t.test('an unknown card gets slots by its memory', async t => {
  t.strictSame(slotsOf(card('NVIDIA Nobody Knows', 20 * gib), none), { slots: 10, isKnown: false });
  t.strictSame(slotsOf(card('Small', gib), none), { slots: 2, isKnown: false });
  t.strictSame(slotsOf(card('Huge', 400 * gib), none), { slots: 24, isKnown: false });
  t.notOk(slotsOf(card('NVIDIA A1000'), none).isKnown, 'a model is a word of its own');
});

t.test('a MIG instance has its share of the card', async t => {
  const part = { of: 'u', ofMemoryBytes: 80 * gib };
  const slots = (memoryGib: number) => slotsOf({ ...card('NVIDIA A100-SXM4-80GB', memoryGib * gib), part }, none).slots;
  t.strictSame([40, 20, 10, 1].map(slots), [12, 6, 3, 1]);
});

t.test('a file comes before the table', async t => {
  const overrides = parseSlots('{"RTX 4090": 20, "Nobody Knows": 7}');
  t.equal(slotsOf(card('NVIDIA GeForce RTX 4090'), overrides).slots, 20);
  t.strictSame(slotsOf(card('NVIDIA Nobody Knows'), overrides), { slots: 7, isKnown: true });
  for (const text of ['', '[]', '{"a": 0}', '{"a": "2"}', '{"a": 1.5}', '{"": 1}', 'null'])
    t.throws(() => parseSlots(text), /expected a JSON object/, text);
});
