import t from 'tap';
import { coresWithin, measureCores, parseCpuMax } from '../../lib/resources/cpu.ts';

t.test('a quota is told in cores', t => {
  t.equal(parseCpuMax('150000 100000\n'), 1.5);
  t.end();
});

t.test('what sets no limit is no quota', t => {
  for (const text of ['max 100000\n', '-1\n 100000\n', '', '0 100000']) t.equal(parseCpuMax(text), undefined, text);
  t.end();
});

t.test('the smallest quota counts, in whole cores, and one core is always left', t => {
  t.equal(coresWithin(8, []), 8);
  t.equal(coresWithin(8, [undefined, 3.7, 6]), 3);
  t.equal(coresWithin(2, [4]), 2);
  t.equal(coresWithin(8, [0.5]), 1);
  t.end();
});

t.test('this machine has cores', async t => {
  const cores = await measureCores();
  t.ok(Number.isInteger(cores) && cores >= 1);
});
