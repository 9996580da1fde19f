import t from 'tap';
import { bundledClients, requirementsOf } from '../../lib/executors/requirements.ts';

const of = (requirements: string[], extraRequirements: string[] = [], bundled: string[] = [], hasGpu = false) =>
  requirementsOf({ requirements, extraRequirements }, { workspace: '/w', bundled, hasGpu });

t.test("the config's requirements come after the experiment's, all in order", t => {
  t.strictSame(of(['b==1', 'a'], ['c>2']), ['b==1', 'a', 'c>2']);
  t.end();
});

t.test("Debian's ghost and empty lines are dropped", t => {
  t.strictSame(of(['pkg-resources==0.0.0', ' ', 'pkg_resources==0.0.0', 'six']), ['six']);
  t.end();
});

t.test('studioml comes from the workspace where it is there', t => {
  const bundled = ['/w/dist/studioml-1.tar.gz'];
  t.strictSame(of(['studioml==0.0.40', 'studioml-extras'], [], bundled), [...bundled, 'studioml-extras']);
  t.strictSame(of(['studioml==0.0.40']), ['studioml==0.0.40']);
  t.end();
});

t.test('a GPU turns tensorflow 1 into its variant for GPUs, and nothing else', t => {
  const asked = ['tensorflow==1.15.2', 'tensorflow==2.4.0', 'tensorflow-hub==1.0'];
  t.strictSame(of(asked, [], [], true), ['tensorflow-gpu==1.15.2', 'tensorflow==2.4.0', 'tensorflow-hub==1.0']);
  t.strictSame(of(asked), asked);
  t.end();
});

t.test('archives of studioml are found in dist, other files are not', t => {
  const workspace = t.testdir({ dist: { 'studioml-0.1.tar.gz': '', 'other-1.tar.gz': '', 'studioml-0.1.zip': '' } });
  t.strictSame(bundledClients(workspace), [`${workspace}/dist/studioml-0.1.tar.gz`]);
  t.strictSame(bundledClients(t.testdir()), []);
  t.end();
});

t.test('a package from a repository is installed, not checked out', t => {
  const sha = 'a'.repeat(40);
  t.strictSame(
    of([
      `-e git+https://host/org/one.git@${sha}#egg=one`,
      '--editable=git+ssh://git@host/two#egg=two[extra]&subdirectory=python',
      'git+https://host/three',
    ]),
    [
      `one @ git+https://host/org/one.git@${sha}`,
      'two[extra] @ git+ssh://git@host/two#subdirectory=python',
      'git+https://host/three',
    ],
  );
  t.end();
});

t.test('paths are taken from the workspace, options of indexes stay as they are', t => {
  const asked = [
    './wheels/a-1-py3-none-any.whl',
    'dist/b-1.tar.gz',
    '-e .',
    '-r more.txt',
    '--find-links=wheels',
    '-c /c.txt',
  ];
  t.strictSame(of(asked), [
    '/w/wheels/a-1-py3-none-any.whl',
    '/w/dist/b-1.tar.gz',
    '/w',
    '-r /w/more.txt',
    '--find-links=/w/wheels',
    '-c /c.txt',
  ]);
  const others = [
    '--extra-index-url https://host/simple',
    '--index-url=https://host/simple',
    '-f https://host/wheels.html',
    '--pre',
    'https://host/c-1.whl',
    'six; python_version < "3"',
  ];
  t.strictSame(of(others), others);
  t.end();
});
