import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import t from 'tap';
import { createWorkspace } from '../../lib/workspace/layout.ts';

t.test('an attempt has its directories and nothing else', async t => {
  const home = t.testdir();
  const workspace = createWorkspace({ home, key: 'some/../key with "anything"' });
  t.equal(dirname(workspace.root), join(home, 'experiments'));
  t.match(basename(workspace.root), /^[0-9a-f]{16}\.0$/);
  t.same(readdirSync(workspace.root).sort(), ['_metadata', '_runner', 'output', 'workspace']);
  t.same(readdirSync(workspace.runner), ['tmp']);
  t.equal(workspace.outputFile, join(workspace.root, 'output', 'output'));
  t.equal(workspace.directoryOf('modeldir'), join(workspace.root, 'modeldir'));
});

t.test('the next attempt of a key gets the next number, another key another name', async t => {
  const home = t.testdir();
  const [first, second, other] = ['a', 'a', 'b'].map(key => createWorkspace({ home, key }).root);
  t.equal(first?.replace(/\.0$/, '.1'), second);
  t.not(basename(other ?? '').split('.')[0], basename(first ?? '').split('.')[0]);
});

t.test('a directory that stands is never reused, whoever made it', async t => {
  const home = t.testdir();
  const { root } = createWorkspace({ home, key: 'a' });
  mkdirSync(root.replace(/\.0$/, '.1'));
  writeFileSync(root.replace(/\.0$/, '.2'), 'a file');
  t.equal(createWorkspace({ home, key: 'a' }).root, root.replace(/\.0$/, '.3'));
});

t.test('where no directory can be made the error says so', async t => {
  const home = t.testdir({ file: '' });
  t.throws(() => createWorkspace({ home: join(home, 'file'), key: 'a' }), { code: 'ENOTDIR' });
});

t.test('removing takes the attempt and leaves its neighbours', async t => {
  const home = t.testdir();
  const [first, second] = [createWorkspace({ home, key: 'a' }), createWorkspace({ home, key: 'a' })];
  await first.remove();
  t.notOk(existsSync(first.root));
  t.ok(statSync(second.root).isDirectory());
});
