import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { removeTree } from '../../lib/workspace/remove-tree.ts';

t.test('links are removed, and what they point to stays', async t => {
  const dir = t.testdir({ outside: { kept: 'kept' }, tree: { deep: {} } });
  symlinkSync(join(dir, 'outside'), join(dir, 'tree/deep/link'));
  symlinkSync('nowhere', join(dir, 'tree/dangling'));
  await removeTree(join(dir, 'tree'));
  t.notOk(existsSync(join(dir, 'tree')));
  t.equal(readFileSync(join(dir, 'outside/kept'), 'utf8'), 'kept');
});

t.test('a link in place of the tree is removed, and what it points to stays', async t => {
  const dir = t.testdir({ outside: { kept: 'kept' } });
  symlinkSync(join(dir, 'outside'), join(dir, 'tree'));
  await removeTree(join(dir, 'tree'));
  t.same(readdirSync(dir), ['outside']);
  t.equal(readFileSync(join(dir, 'outside/kept'), 'utf8'), 'kept');
});

t.test('directories that may not be read, entered or written are removed by any user', async t => {
  const dir = t.testdir({ tree: { 'read-only': { file: '', sub: { file: '' } }, closed: { file: '' } } });
  for (const name of ['read-only/sub', 'read-only']) chmodSync(join(dir, 'tree', name), 0o555);
  chmodSync(join(dir, 'tree/closed'), 0);
  // root may do everything, so the work is done as somebody else where this is root
  const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const module = JSON.stringify(new URL('../../lib/workspace/remove-tree.ts', import.meta.url).href);
  if ('uid' in user) {
    execFileSync('chown', ['-R', '65534:65534', dir]);
    const probe = spawnSync(process.execPath, ['-e', `await import(${module})`], { ...user, cwd: '/' });
    if (probe.status !== 0) {
      t.pass('another user may not read this checkout');
      return;
    }
  }
  const script = `const { removeTree } = await import(${module}); await removeTree(process.argv[1]);`;
  execFileSync(process.execPath, ['-e', script, join(dir, 'tree')], { ...user, cwd: '/' });
  t.notOk(existsSync(join(dir, 'tree')));
});

t.test('directories deeper than any path are removed', async t => {
  const dir = t.testdir();
  const script = `import os\nfor i in range(120):\n os.mkdir('d' * 100); os.chdir('d' * 100)\nopen('file', 'w').close()`;
  execFileSync('python3', ['-c', script], { cwd: dir });
  await removeTree(join(dir, 'd'.repeat(100)));
  t.notOk(existsSync(join(dir, 'd'.repeat(100))));
});

t.test('thousands of files are removed while others have their turn', async t => {
  const dir = t.testdir();
  const tree = join(dir, 'tree');
  mkdirSync(tree);
  for (let i = 0; i < 3000; i++) writeFileSync(join(tree, String(i)), '');
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await removeTree(tree);
  clearInterval(timer);
  t.notOk(existsSync(tree));
  t.ok(turns > 0);
});

t.test('names that are not UTF-8 are removed', async t => {
  const dir = t.testdir({ tree: {} });
  writeFileSync(Buffer.concat([Buffer.from(`${join(dir, 'tree')}/`), Buffer.from([0xff, 0xfe])]), 'x');
  await removeTree(join(dir, 'tree'));
  t.notOk(existsSync(join(dir, 'tree')));
});

t.test('what is not there is no error', async t => {
  await removeTree(join(t.testdir(), 'nothing'));
  t.pass('resolved');
});
