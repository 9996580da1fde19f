import { statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeDirectory, makeDirectorySync } from '../../lib/workspace/make-directory.ts';

const both = [
  ['makeDirectory', makeDirectory],
  ['makeDirectorySync', async (path: string, mode?: number) => makeDirectorySync(path, mode)],
] as const;

for (const [name, make] of both) {
  t.test(`${name}: what is above it is made too, with the same mode; a second time changes nothing`, async t => {
    const path = join(t.testdir({}), 'a/b/c');
    await make(path, 0o700);
    await make(path);
    for (const one of [path, join(path, '..')]) t.equal(statSync(one).mode & 0o777, 0o700);
  });

  t.test(`${name}: a place where none can be made is an error, and not waited for`, async t => {
    const directory = t.testdir({ file: '' });
    await t.rejects(make('/proc/none/of/these'), { code: 'ENOENT' });
    await t.rejects(make(join(directory, 'file')), { code: 'EEXIST' });
    await t.rejects(make(join(directory, 'file/below')), { code: 'ENOTDIR' });
  });
}
