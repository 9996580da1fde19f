import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { followFile } from '../../lib/output/follow-file.ts';

t.test('a file is read as it grows, to what stood there at the end, though it is removed', async t => {
  const path = join(t.testdir({}), 'output');
  const ended = new AbortController();
  const reading = followFile(path, ended.signal);
  const first = reading.next();
  writeFileSync(path, 'one');
  t.equal(String((await first).value), 'one');
  appendFileSync(path, 'two');
  t.equal(String((await reading.next()).value), 'two');
  appendFileSync(path, 'three');
  rmSync(path);
  ended.abort();
  t.equal(String((await reading.next()).value), 'three');
  t.ok((await reading.next()).done);
});

t.test('a file that never came is empty', async t => {
  const reading = followFile(join(t.testdir({}), 'none'), AbortSignal.abort());
  t.ok((await reading.next()).done);
});
