import { renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { lookAt } from '../../lib/workspace/changes.ts';
import { listDirectory } from '../../lib/workspace/list-directory.ts';

const look = async (directory: string, atMs = Date.now()) => lookAt(await listDirectory(directory), atMs);

t.test('two looks between which nothing changed are equal', async t => {
  const dir = t.testdir({ a: 'x', d: { b: 'y' } });
  t.equal((await look(dir)).fingerprint, (await look(dir)).fingerprint);
});

t.test('each kind of change shows', async t => {
  const dir = t.testdir({ a: 'x', d: { b: 'y' } });
  const seen = new Set([(await look(dir)).fingerprint]);
  const changes = [
    () => writeFileSync(join(dir, 'new'), ''),
    () => renameSync(join(dir, 'new'), join(dir, 'renamed')),
    () => writeFileSync(join(dir, 'd/b'), 'longer'),
    // the same size and the same time as before, in a new file
    () => {
      rmSync(join(dir, 'a'));
      writeFileSync(join(dir, 'a'), 'z');
      utimesSync(join(dir, 'a'), 1, 1);
    },
    () => rmSync(join(dir, 'd'), { recursive: true }),
  ];
  for (const change of changes) {
    change();
    seen.add((await look(dir)).fingerprint);
  }
  t.equal(seen.size, changes.length + 1);
});

t.test('what changed just before the look may change again unseen', async t => {
  const dir = t.testdir({ a: 'x' });
  t.equal((await look(dir, statSync(join(dir, 'a')).ctimeMs)).isSettled, false);
  t.equal((await look(dir, Date.now() + 60_000)).isSettled, true);
});
