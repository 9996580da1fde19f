import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { evict } from '../../../lib/executors/environments/evict.ts';
import { createTrees, type Tree } from '../../../lib/executors/environments/trees.ts';
import { ownProcess } from '../../../lib/resources/process-identity.ts';

/** Three trees of 100 bytes, used at the seconds 1, 2, 3. */
const scene = async (t: Test) => {
  const directory = t.testdir();
  const trees = createTrees(directory);
  const made: Tree[] = [];
  for (const key of ['a', 'b', 'c']) {
    const about = { tree: [], lock: [], python: '/py', fingerprint: '', bytes: 100, compiled: true };
    const tree = { key, id: trees.newId(key), ...about };
    await trees.inStaging(staging => trees.publish(staging, tree));
    utimesSync(join(directory, 'current', key), made.length + 1, made.length + 1);
    made.push(tree);
  }
  const events: unknown[] = [];
  const run = (limitBytes: number) =>
    evict({ trees, limitBytes, emit: (event, fields) => events.push({ event, ...fields }) });
  const left = () => made.filter(({ id }) => existsSync(trees.packagesOf(id))).map(({ key }) => key);
  const [a, b, c] = made;
  if (!a || !b || !c) throw new Error('there are three');
  return { directory, trees, a, b, c, events, run, left };
};

t.test('who was not used for the longest goes first, until the rest is within its size', async t => {
  const { run, left, events, trees, directory } = await scene(t);
  await trees.name('of-a', { key: 'a', atMs: 0 });
  t.equal(await run(300), 300);
  t.strictSame(left(), ['a', 'b', 'c']);
  t.equal(await run(250), 200);
  t.strictSame(left(), ['b', 'c']);
  t.match(events, [{ event: 'environment-evicted', environment: 'a', bytes: 100, leftBytes: 200 }]);
  t.equal(await trees.current('a'), undefined);
  t.strictSame(readdirSync(join(directory, 'names')), [], 'nor does its name stand for anything');
});

t.test('one in use stays, until it is no more', async t => {
  const { run, left, trees, a } = await scene(t);
  const unmark = trees.uses.add(a.id);
  t.equal(await run(0), 100);
  t.strictSame(left(), ['a']);
  unmark();
  await run(0);
  t.strictSame(left(), []);
});

t.test(
  'the mark of a process that was killed counts no more; that of another machine does, for as long as a run can take',
  async t => {
    const { directory, run, left, b, c } = await scene(t);
    const mark = (id: string, name: string) => {
      mkdirSync(join(directory, 'uses', id), { recursive: true });
      writeFileSync(join(directory, 'uses', id, name), '');
      return join(directory, 'uses', id, name);
    };
    const [host = '', namespace = ''] = ownProcess.split('~');
    mark(b.id, `${host}~${namespace}~${String(process.pid)}~1~1`);
    const far = mark(c.id, 'elsewhere~1~1~1~1');
    await run(0);
    t.strictSame(left(), ['c']);
    utimesSync(far, 1, 1);
    await run(0);
    t.strictSame(left(), []);
  },
);

t.test('what serves for nothing goes when nobody uses it, and so does the half of one whose builder died', async t => {
  const { directory, run, left, trees, a } = await scene(t);
  const unmark = trees.uses.add(a.id);
  trees.retire(a);
  await run(1000);
  t.strictSame(left(), ['a', 'b', 'c']);
  unmark();
  const [host = '', namespace = ''] = ownProcess.split('~');
  const dead = join(directory, `.staging-${host}~${namespace}~${String(process.pid)}~1~x`);
  mkdirSync(join(dead, 'packages'), { recursive: true });
  const living = join(directory, `.staging-${ownProcess}~x`);
  mkdirSync(living);
  await run(1000);
  t.strictSame(left(), ['b', 'c']);
  t.notOk(existsSync(dead));
  t.ok(existsSync(living), 'that of a living one is at work');
});

t.test('one that is being published stays, though it does not serve yet', async t => {
  const { trees, a } = await scene(t);
  const tree = { ...a, key: 'd', id: trees.newId('d') };
  const published = trees.inStaging(staging => trees.publish(staging, tree));
  let isPublished = false;
  void published.then(() => (isPublished = true));
  while (!isPublished) {
    if (existsSync(trees.packagesOf(tree.id))) t.notOk(await trees.removeUnused(tree.id));
    await new Promise(setImmediate);
  }
  await published;
  t.match(await trees.current('d'), { id: tree.id });
  t.notOk(trees.uses.any(tree.id), 'it is marked no longer than that');
});
