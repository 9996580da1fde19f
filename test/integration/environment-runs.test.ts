/** What experiments ask to be installed, through the whole runner, with uv and an index of the test's own. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { startPackageIndex } from '../helpers/package-index.ts';
import { PipelineScene, type SceneRequest } from '../helpers/pipeline-scene.ts';
import { printedIn } from '../helpers/printed.ts';
import { needService } from '../helpers/services.ts';
import { tarOf, type TarMember } from '../helpers/tars.ts';
import { sourceOf, wheelOf } from '../helpers/wheels.ts';

const scene = async (t: Test, env: Readonly<Record<string, string>> = {}) => {
  const uv = needService(t, 'TEST_UV');
  if (uv === undefined) return undefined;
  const index = await startPackageIndex(t);
  index.add({ name: 'left', version: '1.0' });
  const it = new PipelineScene(t, {
    PATH: `${dirname(uv)}:${process.env['PATH'] ?? ''}`,
    UV_CACHE_DIR: join(t.testdirName, 'uv'),
    UV_DEFAULT_INDEX: index.url,
    ...env,
  });
  const run = async (request: SceneRequest) => {
    const key = await it.submit(request);
    const settled = await it.settled(key, 120_000);
    return { key, settled, printed: printedIn((await it.output(key)).toString()) };
  };
  return { it, index, run };
};

t.test(
  'a run that writes into the packages it shares spoils nobody else, as root too',
  { timeout: 240_000 },
  async t => {
    const use = await scene(t);
    if (!use) return;
    const requirements = ['left==1.0'];
    const spoils = `import left, os
open(left.__file__, "a").write("version = 'spoilt'\\n")
open(os.path.join(os.path.dirname(left.__file__), "more.py"), "w").close()`;
    const first = await use.run({ program: spoils, requirements });
    t.match(first.settled, { cause: 'completed' });
    const looks = 'import left, importlib.util as u; print(left.version, u.find_spec("more"))';
    const second = await use.run({ program: looks, requirements });
    t.match(second.printed, /^1\.0 None$/m);
    const changed = use.it.runner.events.filter(({ event }) => event === 'environment-changed');
    t.match(changed, [{ experiment: first.key, what: /left\.py|more\.py/ }]);
    const third = await use.run({ program: looks, requirements });
    t.match(third.printed, /^1\.0 None$/m);
    const built = use.it.runner.events.filter(({ event }) => event === 'environment-built');
    t.strictSame(
      built.map(({ experiment }) => experiment),
      [first.key, second.key],
      'what was built anew is shared again',
    );
    t.equal(use.it.runner.events.filter(({ event }) => event === 'environment-changed').length, 1);
  },
);

t.test(
  'a request with requirements only makes the environment for those who come after it',
  { timeout: 240_000 },
  async t => {
    const use = await scene(t);
    if (!use) return;
    const { key, body } = await use.it.request({ requirements: ['left==1.0'] });
    const request = JSON.parse(body) as { experiment: { filename: unknown; artifacts: Record<string, unknown> } };
    delete request.experiment.artifacts['workspace'];
    use.it.send(JSON.stringify(request));
    t.match(await use.it.settled(key, 120_000), { cause: 'completed', settlement: 'accept' });
    const { studioml } = await use.it.metadata(key);
    t.ok((studioml['requirements'] as string[]).includes('left==1.0'));
    t.ok((studioml['pipdeptree'] as { name: string }[]).some(({ name }) => name === 'left'));
    t.match((await use.run({ program: 'import left', requirements: ['left==1.0'] })).settled, { cause: 'completed' });
    const built = use.it.runner.events.filter(({ event }) => event === 'environment-built');
    t.strictSame(
      built.map(({ experiment }) => experiment),
      [key],
    );
  },
);

t.test('a failed installation says why in the words of the tool', { timeout: 240_000 }, async t => {
  const use = await scene(t);
  if (!use) return;
  const failed = await use.run({ requirements: ['left==7.0'] });
  t.match(failed.settled, { cause: 'environment', settlement: 'reject', message: /left==7\.0/ });
  t.match((await use.it.output(failed.key)).toString(), /no version of left==7\.0|left==7\.0/);
  t.match((await use.it.metadata(failed.key)).studioml, { failure: { cause: 'environment' } });
});

t.test(
  'packages come from repositories, the workspace, and the indexes that a request names',
  { timeout: 240_000 },
  async t => {
    const use = await scene(t);
    if (!use) return;
    const repository = join(t.testdirName, 'repository');
    mkdirSync(repository);
    for (const [name, text] of Object.entries(sourceOf({ name: 'fromgit', version: '1.2' })))
      writeFileSync(join(repository, name), text);
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], {
        cwd: repository,
        encoding: 'utf8',
      });
    git('init', '--quiet');
    git('add', '.');
    git('commit', '--quiet', '-m', 'first');

    const password = 'password-of-the-index';
    const closed = await startPackageIndex(t, { user: 'tester', password });
    closed.add({ name: 'private', version: '3.0' });
    const third = await startPackageIndex(t);
    third.add({ name: 'third', version: '4.0' });

    const client = Object.entries(sourceOf({ name: 'studioml', version: '0.0.1' }));
    const archive = await tarOf(...client.map(([name, content]) => ({ name: `studioml-0.0.1/${name}`, content })));
    const { file, body } = wheelOf({ name: 'local', version: '2.0' });
    const names = ['fromgit', 'local', 'private', 'third', 'studioml', 'left'];
    const program = `${names.map(name => `import ${name}\nprint("${name}", ${name}.version)`).join('\n')}\n`;
    const workspace: TarMember[] = [
      { name: 'main.py', content: program },
      { name: `wheels/${file}`, content: body },
      { name: 'dist/studioml-0.0.1.tar.gz', content: gzipSync(archive) },
    ];
    const { printed, settled, key } = await use.run({
      workspace,
      requirements: [
        'left',
        `-e git+file://${repository}#egg=fromgit`,
        `wheels/${file}`,
        'private',
        `--extra-index-url ${third.url}`,
        'third==4.0',
        'studioml==0.0.48',
        'pkg-resources==0.0.0',
      ],
      env: { PIP_EXTRA_INDEX_URL: closed.urlWithPassword },
    });
    t.match(settled, { cause: 'completed' }, printed);
    for (const line of ['fromgit 1.2', 'local 2.0', 'private 3.0', 'third 4.0', 'studioml 0.0.1', 'left 1.0'])
      t.ok(printed.split('\n').includes(line), line);
    const commit = git('rev-parse', 'HEAD').trim();
    const metadata = await use.it.metadata(key);
    const lock = metadata.studioml['requirements'] as string[];
    t.ok(lock.includes(`fromgit @ git+file://${repository}@${commit}`), lock.join('\n'));
    t.ok(lock.includes('local==2.0') && lock.includes('private==3.0'));
    const told = JSON.stringify([use.it.runner.events, metadata]) + (await use.it.output(key)).toString();
    t.notOk(told.includes(password), 'the password of an index is told nowhere');

    const denied = await use.run({ requirements: ['private'] });
    t.match(
      denied.settled,
      { cause: 'environment' },
      'who names no such index does not get what another one got from it',
    );
  },
);
