/** Version 2 with controllers, played by plain files: what is asked of the kernel, and when it is left alone. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createGroup } from '../../../lib/resources/cgroups/group.ts';
import { groupOf, handOn, openPlaces } from '../../../lib/resources/cgroups/places.ts';

const tree = (t: Test, files: Readonly<Record<string, string>>) => {
  const own = t.testdir({ 'cgroup.controllers': 'cpu memory pids\n', 'cgroup.procs': '', ...files });
  return { own, textOf: (name: string) => readFileSync(join(own, name), 'utf8') };
};

t.test('controllers that are handed on already are used as they are', t => {
  const { own, textOf } = tree(t, { 'cgroup.subtree_control': 'memory pids' });
  t.strictSame(handOn(own, ['memory', 'pids'], 'r', false), ['memory', 'pids']);
  t.equal(textOf('cgroup.subtree_control'), 'memory pids');
  t.end();
});

t.test('those that are missing are asked for', t => {
  const { own, textOf } = tree(t, { 'cgroup.subtree_control': 'cpu' });
  handOn(own, ['memory', 'pids'], 'r', false);
  t.equal(textOf('cgroup.subtree_control'), '+memory +pids');
  t.end();
});

t.test('a group in which others live is left as it is when the kernel refuses', t => {
  const { own } = tree(t, { 'cgroup.procs': `1\n${String(process.pid)}\n` });
  t.strictSame(handOn(own, ['memory'], 'r', false), [], 'there is no file to hand controllers on');
  t.notOk(existsSync(join(own, 'r.itself')));
  t.end();
});

t.test('where a runner moved itself is not where the next one works', t => {
  t.equal(groupOf('/sys/fs/cgroup/a/studioml.host~1~2~3~1.itself'), '/sys/fs/cgroup/a');
  for (const own of ['/sys/fs/cgroup/a', '/sys/fs/cgroup/', '/sys/fs/cgroup/other.itself', '/a/studioml.host~1~2~3~1'])
    t.equal(groupOf(own), own);
  t.end();
});

t.test('version 2 does everything where it has the controllers, else version 1 what it lacks', t => {
  const two = tree(t, { 'cgroup.controllers': '', 'cgroup.subtree_control': '' }).own;
  const one = join(two, 'one');
  const hierarchies = [
    { version: 1, controllers: ['pids'], own: one },
    { version: 2, controllers: [], own: two },
  ] as const;
  t.strictSame(openPlaces(hierarchies, 'r'), [{ version: 2, path: join(two, 'r'), duties: ['members'] }]);
  t.strictSame(openPlaces([], 'r'), []);
  t.end();
});

t.test('version 1 alone: one directory for each controller', t => {
  const root = t.testdir({ memory: {}, pids: {}, 'cpu,cpuacct': {}, freezer: {} });
  const hierarchies = [['memory'], ['pids'], ['cpu', 'cpuacct'], ['freezer']].map(controllers => ({
    version: 1 as const,
    controllers,
    own: join(root, controllers.join(',')),
  }));
  t.match(
    openPlaces(hierarchies, 'r').map(({ duties }) => duties),
    [['memory'], ['processes'], ['share', 'cpu'], ['members']],
  );
  t.end();
});

t.test('what a group of version 2 tells is read in its words', t => {
  const root = t.testdir({});
  const place = { version: 2, path: root, duties: ['memory', 'processes', 'cpu', 'members'] } as const;
  const group = createGroup([place], 'x');
  group.limit({ memoryBytes: 1000, processes: 5 });
  t.strictSame(group.joins, [join(root, 'x', 'cgroup.procs')]);
  t.ok(group.controlsMemory);
  t.strictSame([group.members(), group.memoryBytes(), group.outOfMemoryKills()], [[], undefined, 0]);
  t.testdir({
    x: {
      'cgroup.procs': '7\n8\n',
      child: { 'cgroup.procs': '9\n' },
      'memory.current': '900\n',
      'memory.peak': '950\n',
      'memory.stat': 'anon 1\ninactive_file 100\n',
      'memory.events': 'low 0\noom 2\noom_kill 1\n',
      'pids.events': 'max 4\n',
      'cpu.stat': 'usage_usec 1500000\nuser_usec 1\n',
    },
  });
  t.strictSame(group.members(), [7, 8, 9]);
  t.equal(group.memoryBytes(), 800);
  t.equal(group.outOfMemoryKills(), 1);
  t.equal(group.refusedStarts(), 4);
  t.strictSame(group.usage(), { cpuSeconds: 1.5, memoryPeakBytes: 950 });
  t.end();
});
