import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { needService } from '../helpers/services.ts';

const run = promisify(execFile);
const root = new URL('../../', import.meta.url).pathname;

t.test('docker is sent the files that the image is made of, and no others', async t => {
  const host = needService(t, 'TEST_DOCKER_HOST');
  if (host === undefined) return;
  const env = { ...process.env, DOCKER_HOST: host, DOCKER_BUILDKIT: '0', DOCKER_CONFIG: t.testdir({}) };
  const docker = async (...args: string[]): Promise<string> =>
    (await run('docker', args, { env, encoding: 'buffer', maxBuffer: 1 << 28 })).stdout.toString('latin1').trim();
  const whole = join(t.testdirName, 'Dockerfile');
  writeFileSync(whole, 'FROM scratch\nCOPY . /context\nCMD ["none"]\n');
  const image = (await docker('build', '--quiet', '--file', whole, root)).split('\n').at(-1) ?? '';
  t.teardown(() => docker('rmi', '--force', image));
  const container = await docker('create', image);
  t.teardown(() => docker('rm', container));
  const archive = join(t.testdirName, 'context.tar');
  await docker('export', '--output', archive, container);
  const { stdout } = await run('tar', ['-tf', archive], { maxBuffer: 1 << 28 });
  const sent = stdout.split('\n').flatMap(name => /^context\/(.*[^/])$/.exec(name)?.[1] ?? []);

  const paths = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'LICENSE'];
  const directories = ['bin', 'lib', 'pipelines', 'fixtures/demo', 'deploy/node-under-init'];
  const tracked = await run(
    'git',
    ['ls-files', '--cached', '--others', '--exclude-standard', ...paths, ...directories],
    { cwd: root },
  );
  t.strictSame(sent.sort(), tracked.stdout.trim().split('\n').sort());
});
