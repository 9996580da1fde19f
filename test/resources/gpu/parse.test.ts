import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseCards } from '../../../lib/resources/gpu/parse.ts';

const file = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../../fixtures/nvidia-smi', name), 'utf8');
const cards = (name: string, list = '') => parseCards(file(`${name}.xml`), list);
const mib = 2 ** 20;

t.test('a card is told by its UUID, name, memory, and what is in use of that', async t => {
  t.strictSame(cards('t4'), [
    {
      uuid: 'GPU-00000000-0000-0000-0000-0000000000a1',
      name: 'Tesla T4',
      index: 0,
      memoryBytes: 15_360 * mib,
      usedBytes: 3 * mib,
      uncorrectable: 0,
    },
  ]);
  t.match(cards('gtx-1070-ti'), [{ name: 'GeForce GTX 1070 Ti', memoryBytes: 8119 * mib, usedBytes: 42 * mib }]);
  t.match(cards('a100'), [{ index: 0 }, { index: 1 }], 'MIG that is off changes nothing');
  t.strictSame(cards('h100'), [
    {
      uuid: 'GPU-00000000-0000-0000-0000-0000000000e1',
      name: 'NVIDIA H100 80GB HBM3',
      index: 0,
      memoryBytes: 81_559 * mib,
      usedBytes: 0,
      uncorrectable: 0,
    },
  ]);
  t.equal(cards('mixed').length, 5);
});

t.test('a card in MIG mode is used by its instances, which the list names', async t => {
  const all = cards('a100-mig', file('a100-mig.list'));
  const of = 'GPU-00000000-0000-0000-0000-0000000000d1';
  t.match(
    all.map(({ uuid, memoryBytes, part }) => [uuid.slice(-4), memoryBytes / mib, part?.of]),
    [
      ['d101', 40_192, of],
      ['d102', 19_968, of],
      ['d103', 9728, of],
      ['d104', 9728, of],
      ['00d2', 81_920, undefined],
    ],
  );
  t.match(cards('a100-mig').length, 1, 'an instance whose UUID is not told can not be granted');
});

t.test(
  'errors that could not be corrected are counted, in the words of old and new drivers; corrected and earlier ones are not',
  async t => {
    t.strictSame(
      cards('ecc').map(({ uncorrectable }) => uncorrectable),
      [2, 3, 0],
    );
  },
);

for (const text of [
  '',
  'No devices were found\n',
  '<nvidia_smi_log><gpu></nvidia_smi_log>',
  '<other/>',
  '<nvidia_smi_log><gpu></gpu></nvidia_smi_log>',
])
  t.test(`${JSON.stringify(text)} is no such output`, async t => {
    t.throws(() => parseCards(text, ''), SyntaxError);
  });
