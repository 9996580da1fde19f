import t from 'tap';
import { chooseTests } from './choose-tests.ts';

const tree = {
  test: {
    'a.test.ts': '',
    'helper.ts': '',
    'gpu.card.test.ts': '',
    integration: { 'b.test.ts': '', 'c.long.test.ts': '', outage: { 'd.long.test.ts': '', 'e.long.test.ts': '' } },
  },
};
const short = ['test/a.test.ts', 'test/integration/b.test.ts'];
const want = { unit: false, long: false, sample: false, card: false };

t.test('at home the long ones wait until they are asked for', async t => {
  const root = t.testdir(tree);
  t.strictSame(chooseTests(root, want), short);
  const long = ['test/integration/c.long.test.ts', 'test/integration/outage/d.long.test.ts'];
  t.strictSame(chooseTests(root, { ...want, long: true }), [
    ...short,
    ...long,
    'test/integration/outage/e.long.test.ts',
  ]);
});

t.test('CI takes the first long one of each folder', async t => {
  const long = ['test/integration/c.long.test.ts', 'test/integration/outage/d.long.test.ts'];
  t.strictSame(chooseTests(t.testdir(tree), { ...want, sample: true }), [...short, ...long]);
});

t.test('unit tests are those outside of test/integration', async t => {
  t.strictSame(chooseTests(t.testdir(tree), { ...want, unit: true, sample: true }), ['test/a.test.ts']);
});

t.test('what needs a card runs where it is asked for, alone', async t => {
  t.strictSame(chooseTests(t.testdir(tree), { ...want, card: true }), ['test/gpu.card.test.ts']);
});
