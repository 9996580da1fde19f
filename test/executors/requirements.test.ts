import t from 'tap';
import { bundledClients, requirementsOf } from '../../lib/executors/requirements.ts';

const of = (requirements: string[], extraRequirements: string[] = [], bundled: string[] = [], gpu = false) =>
  requirementsOf({ requirements, extraRequirements }, bundled, gpu);

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

t.test('archives of studioml are found in dist, other files are not', async t => {
  const workspace = t.testdir({ dist: { 'studioml-0.1.tar.gz': '', 'other-1.tar.gz': '', 'studioml-0.1.zip': '' } });
  t.strictSame(await bundledClients(workspace), [`${workspace}/dist/studioml-0.1.tar.gz`]);
  t.strictSame(await bundledClients(t.testdir()), []);
});
