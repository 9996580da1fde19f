import { linkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isUntouched, markFrom, markOf } from '../../lib/workspace/untouched.ts';

t.test('a file is untouched until something about it changes', async t => {
  const dir = t.testdir({ file: 'text' });
  const path = join(dir, 'file');
  const mark = markOf(path);
  t.ok(isUntouched(path, mark));
  await new Promise(resolve => setTimeout(resolve, 20));
  linkSync(path, join(dir, 'link'));
  t.notOk(isUntouched(path, mark), 'another name for it counts');
  const second = markOf(path);
  await new Promise(resolve => setTimeout(resolve, 20));
  writeFileSync(path, 'text');
  t.notOk(isUntouched(path, second), 'the same text counts');
});

t.test('what is gone, or was never there, is not untouched', t => {
  const dir = t.testdir({ file: '', other: '' });
  t.notOk(isUntouched(join(dir, 'nothing'), markOf(join(dir, 'file'))));
  t.notOk(isUntouched(join(dir, 'other'), markOf(join(dir, 'file'))));
  t.end();
});

t.test('a file system that notes whole milliseconds or seconds cannot tell', t => {
  const stats = { dev: 1n, ino: 2n };
  t.equal(markFrom({ ...stats, ctimeNs: 1_700_000_000_000_000_000n }).changedNs, undefined);
  t.equal(markFrom({ ...stats, ctimeNs: 1_700_000_000_123_000_000n }).changedNs, undefined);
  t.equal(markFrom({ ...stats, ctimeNs: 1_700_000_000_123_000_001n }).changedNs, 1_700_000_000_123_000_001n);
  t.notOk(isUntouched(t.testdirName, { device: 1n, inode: 2n, changedNs: undefined }));
  t.end();
});
