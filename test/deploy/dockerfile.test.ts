import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { podOf, renderChart } from '../helpers/chart.ts';
import { needService } from '../helpers/services.ts';

const run = promisify(execFile);
const root = new URL('../../', import.meta.url).pathname;
const text = (file: string): string => readFileSync(join(root, file), 'utf8');
const dockerfile = text('Dockerfile');
const argument = (name: string): string => new RegExp(`^ARG ${name}="?([^"\\n]*)"?$`, 'm').exec(dockerfile)?.[1] ?? '';

t.test('hadolint has nothing to say', async t => {
  const hadolint = needService(t, 'TEST_HADOLINT');
  if (hadolint === undefined) return;
  t.same(await run(hadolint, ['--no-color', join(root, 'Dockerfile')]), { stdout: '', stderr: '' });
});

t.test('it has the versions that the project is tested with', async t => {
  const { devDependencies } = JSON.parse(text('package.json')) as { devDependencies: Record<string, string> };
  t.equal(argument('NODE_VERSION'), devDependencies['node']);
  t.equal(argument('UV_VERSION'), /^version=(.*)$/m.exec(text('test/services/uv.sh'))?.[1]);
  t.equal(argument('PYTHONS').split(' ').length, 2, 'two interpreters');
});

t.test('what it copies is there, and is what the build needs', async t => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files = '']) => files.split(' '));
  t.ok(copied.length > 5);
  t.strictSame(
    copied.filter(file => !existsSync(join(root, file))),
    [],
  );
  const { include } = JSON.parse(text('tsconfig.build.json')) as { include: string[] };
  t.strictSame(
    include.filter(directory => !copied.includes(directory)),
    [],
    'all sources',
  );
});

t.test('nobody but a user without rights runs in it, the one that the chart names', async t => {
  const [, user] = /^USER (\d+):\d+$/m.exec(dockerfile) ?? [];
  t.equal(/--uid (\d+)/.exec(dockerfile)?.[1], user);
  t.match(text('deploy/chart/templates/_pod.tpl'), `runAsUser: ${user ?? ''}\n`);
});

t.test('the chart keeps what the image writes on its volumes', async t => {
  const helm = needService(t, 'TEST_HELM');
  if (helm === undefined) return;
  const mounts = podOf((await renderChart(helm, {})).manifests).containers[0]?.volumeMounts ?? [];
  const written = [...dockerfile.matchAll(/(?:_CACHE_DIR|WORKING_DIR)=(\S+)/g)].map(([, directory = '']) => directory);
  const home = /^WORKDIR (\/home\/\S+)$/m.exec(dockerfile)?.[1] ?? '';
  t.equal(written.length, 3);
  for (const directory of [...written, home]) {
    t.ok(
      mounts.some(({ mountPath }) => `${directory}/`.startsWith(`${mountPath}/`)),
      directory,
    );
  }
});
