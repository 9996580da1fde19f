import { join } from 'node:path';
import t from 'tap';
import { measureDiskBytes, usableDiskBytes } from '../../lib/resources/disk.ts';

t.test('85 % of what is free can be used', t => {
  t.equal(usableDiskBytes({ bavail: 1000, bsize: 4096 }), 3_481_600);
  t.end();
});

t.test('a directory that is not there yet is measured where it will be', async t => {
  const bytes = await measureDiskBytes(join(t.testdir(), 'a/b'));
  t.ok(Number.isSafeInteger(bytes) && bytes > 0);
});

t.test('a path through a file is an error', async t => {
  const file = join(t.testdir({ file: '' }), 'file');
  await t.rejects(measureDiskBytes(join(file, 'below')), { code: 'ENOTDIR' });
});
