import t from 'tap';
import { visibleCards } from '../../../lib/resources/gpu/visible.ts';

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
      visibleCards(all, value).map(({ uuid }) => uuid),
      seen,
    );
  });
