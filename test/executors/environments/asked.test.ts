import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { nameOf } from '../../../lib/executors/environments/asked.ts';

const interpreter = { path: '/py/3.11', version: '3.11.2', hasPip: true };
const of = (requirements: string[], more: Partial<Parameters<typeof nameOf>[0]> = {}, tool = 'uv') =>
  nameOf({ interpreter, requirements, env: {}, ...more }, tool);
const dayMs = 86_400_000;

t.test('a name is of the lines, the interpreter, the tool, and where packages come from', async t => {
  const asked = [
    of(['six']),
    of(['six==1']),
    of(['six', 'other']),
    of(['six'], { interpreter: { ...interpreter, version: '3.11.3' } }),
    of(['six'], { interpreter: { ...interpreter, path: '/other' } }),
    of(['six'], { env: { PIP_INDEX_URL: 'http://other' } }),
    of(['six'], {}, 'pip'),
  ];
  const names = (await Promise.all(asked)).map(({ name }) => name);
  t.equal(new Set(names).size, asked.length);
  const [again, home] = await Promise.all([of(['six']), of(['six'], { env: { HOME: '/h' } })]);
  t.equal(again.name, names[0]);
  t.equal(home.name, names[0], 'nothing else of the environment counts');
});

t.test('what is named exactly stands for longer', async t => {
  const freshFor = async (...lines: string[]) => (await of(lines)).freshForMs;
  t.equal(await freshFor('six==1.16.0', 'a[b]===2', `c @ git+https://h/c@${'0'.repeat(40)}`, '--pre'), dayMs);
  for (const open of ['six', 'six>1', 'six==1.*', 'c @ git+https://h/c@main', 'https://h/c.whl'])
    t.ok((await freshFor('six==1.16.0', open)) < dayMs, open);
});

t.test('a file counts by its content, wherever it is; a directory has no name', async t => {
  const root = t.testdir({ a: {}, b: {} });
  const [one, two] = [join(root, 'a/x.whl'), join(root, 'b/x.whl')];
  writeFileSync(one, 'same');
  writeFileSync(two, 'same');
  const before = (await of([one])).name;
  t.ok(before);
  t.equal((await of([two])).name, before);
  writeFileSync(two, 'other');
  t.not((await of([two])).name, before);
  writeFileSync(join(root, 'r.txt'), 'six');
  t.ok((await of([`-r ${root}/r.txt`])).name);
  writeFileSync(join(root, 'r.txt'), '-r more.txt');
  for (const line of [root, `--find-links=${root}`, `-r ${root}/r.txt`, '/nowhere'])
    t.equal((await of([line])).name, undefined);
});
