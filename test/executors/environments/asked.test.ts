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

t.test('all that files include counts, however that is written and whatever they are named', async t => {
  const root = t.testdir({ a: {}, b: { base: {} } });
  const write = (name: string, text: string) => writeFileSync(join(root, name), text);
  const name = async (line = `-r ${root}/a/r.in`) => (await of([line])).name;
  write('a/base.in', 'left==1.0');
  for (const line of [
    '-r base.in',
    '-rbase.in',
    '-c base.in',
    '--requirement=base.in',
    '--requirement base.in  # all have it',
    '--constraint=../a/base.in',
    '--cons base.in',
    '-r \\\n base.in',
    '# a comment \\\n-r base.in',
    '--find-links base.in',
  ]) {
    write('a/r.in', `right==1.0\n${line}\n`);
    write('a/base.in', 'left==1.0');
    const before = await name();
    t.ok(before, line);
    write('a/base.in', 'left==2.0');
    t.not(await name(), before, line);
  }
  write('a/r.in', 'right==1.0 # as ever\r\n-r base.in\r\n');
  write('b/r.txt', 'right==1.0\n\n--requirement base/more\n');
  write('b/base/more', 'left==2.0\n');
  t.equal(await name(), await name(`-r${root}/b/r.txt`), 'where and how does not count');
  t.not(await name(), await name(`-c ${root}/b/r.txt`));
  write('b/r.txt', 'right==1.0\n--requirement base/more\n-c base/../base/more\n');
  t.ok(await name(`-r ${root}/b/r.txt`), 'one may come twice');
  write('a/base.in', '-r r.in');
  t.ok(await name(), 'or include itself');
});

t.test('an include that only the tool understands has no name, nor have too many', async t => {
  const root = t.testdir({ 'base.in': 'left==1.0' });
  const name = async (text: string) => {
    writeFileSync(join(root, 'r.in'), text);
    return (await of([`-r ${root}/r.in`])).name;
  };
  for (const line of [
    '--pre -r base.in',
    '-r base.in -c base.in',
    '-r "base.in"',
    '-r ${HOME}/base.in',
    '-r .',
    './package',
    'package/',
    '-e .',
    '-r /dev/zero',
    `-r base.in\n${'#'.repeat(2 ** 20)}`,
  ])
    t.equal(await name(line), undefined, line.slice(0, 40));
  for (let n = 0; n < 100; n++) writeFileSync(join(root, `${String(n)}.in`), `-r ${String(n + 1)}.in`);
  writeFileSync(join(root, '100.in'), '');
  t.equal(await name('-r 0.in'), undefined);
  t.ok(await name('-r 90.in'));
});

t.test('a file is as exact as what is in it', async t => {
  const root = t.testdir({ 'base.in': '' });
  const freshFor = async (text: string, line = `-r ${root}/r.in`) => {
    writeFileSync(join(root, 'r.in'), text);
    return (await of([line])).freshForMs;
  };
  const hash = `--hash=sha256:${'0'.repeat(64)}`;
  t.equal(await freshFor(`left==1.0 \\\n  ${hash} \\\n  ${hash}\n--no-index\n-c base.in\n`), dayMs);
  for (const open of ['left>=1', '-e git+https://h/c@main#egg=c', '-r https://h/r.txt', `left ${hash}`]) {
    t.ok((await freshFor(open)) < dayMs, open);
    t.ok((await freshFor(open, `--constraint=${root}/r.in`)) < dayMs, open);
  }
  writeFileSync(join(root, 'base.in'), 'left>=1');
  t.ok((await freshFor('right==1.0\n-r base.in')) < dayMs);
});
