import { execFile } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { blocksOf } from '../helpers/guide.ts';

const root = new URL('../../', import.meta.url).pathname;

t.test('what a newcomer is told to type runs an experiment to its end', async t => {
  const directory = t.testdir({ tmp: {} });
  for (const name of ['bin', 'fixtures']) symlinkSync(join(root, name), join(directory, name));
  const [typed = ''] = blocksOf('README.md', 'sh').filter(block => block.includes('QUEUE_ROOT=try/queues'));
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: join(directory, 'tmp') };
  const { code, stdout, stderr } = await new Promise<{ code: number; stdout: string; stderr: string }>(resolve => {
    execFile('sh', ['-c', `${typed}code=$?; wait; exit $code`], { cwd: directory, env }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
  t.equal(code, 0, stderr);
  t.match(stdout, /^\S+\n[^]*epoch 3 loss 0\.125\n/);
  t.match(stderr, /runner: finished\n$/);
  t.match(readFileSync(join(directory, 'try.ndjson'), 'utf8'), /"event":"runner-stopped".*"settled":1/);
});
