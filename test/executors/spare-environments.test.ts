import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findInterpreters } from '../../lib/executors/interpreters.ts';
import { createSpareEnvironments } from '../../lib/executors/spare-environments.ts';
import { openSpares } from '../../lib/workspace/spares.ts';

const [interpreter] = await findInterpreters(process.env);
if (!interpreter) throw new Error('no Python here');

const scene = async (t: Test) => {
  const home = t.testdir();
  const environments = createSpareEnvironments(await openSpares(home));
  let count = 0;
  const make = (shared?: { packages: string }, python = interpreter) => {
    mkdirSync(join(home, String(++count)));
    return environments.make(join(home, String(count), 'env'), python, shared);
  };
  return { environments, make };
};
const inodeOf = (path: string): number => lstatSync(path).ino;
const settle = () => new Promise(resolve => setTimeout(resolve, 20));

t.test('an environment that its run left alone serves the next run, where that is', async t => {
  const { environments, make } = await scene(t);
  const first = make();
  const keep = environments.mark(first);
  execFileSync(first.python, ['-c', 'import json']);
  const inode = inodeOf(first.root);
  await keep();
  const second = make();
  t.equal(inodeOf(second.root), inode);
  t.not(second.root, first.root);
  const prefix = execFileSync(second.python, ['-c', 'import sys; print(sys.prefix)'], { encoding: 'utf8' }).trim();
  t.equal(prefix, second.root);
  const third = make();
  t.not(inodeOf(third.root), inodeOf(second.root), 'one serves once');
});

t.test('another interpreter or other shared packages have another one', async t => {
  const { environments, make } = await scene(t);
  const packages = t.testdirName;
  const first = make({ packages });
  const inode = inodeOf(first.root);
  await environments.mark(first)();
  t.not(inodeOf(make().root), inode);
  t.not(inodeOf(make({ packages: join(packages, 'other') }).root), inode);
  t.not(inodeOf(make({ packages }, { ...interpreter, version: '3.1.0' }).root), inode);
  t.equal(inodeOf(make({ packages }).root), inode);
});

const changes: Readonly<Record<string, (root: string, packages: string) => void>> = {
  'a module in it': (_root, packages) => {
    writeFileSync(join(packages, 'planted.py'), '');
  },
  'a file written with what it held': root => {
    const path = join(root, 'pyvenv.cfg');
    writeFileSync(path, readFileSync(path));
  },
  'a module beside its packages': root => {
    writeFileSync(join(root, 'lib', 'planted.py'), '');
  },
};
for (const [what, change] of Object.entries(changes)) {
  t.test(`${what}: no other run gets it`, async t => {
    const { environments, make } = await scene(t);
    const first = make();
    const keep = environments.mark(first);
    await settle();
    const [major = '', minor = ''] = interpreter.version.split('.');
    change(first.root, join(first.root, 'lib', `python${major}.${minor}`, 'site-packages'));
    const inode = inodeOf(first.root);
    await keep();
    t.ok(inodeOf(first.root), 'it stays for who removes all');
    t.not(inodeOf(make().root), inode);
  });
}

t.test('where nothing is kept each run has a new one', async t => {
  const environments = createSpareEnvironments(undefined);
  const root = join(t.testdir(), 'env');
  const own = environments.make(root, interpreter);
  await environments.mark(own)();
  t.ok(inodeOf(root));
});
