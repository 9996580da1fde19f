import t from 'tap';
import { hierarchiesOf } from '../../../lib/resources/cgroups/hierarchies.ts';

const everything = () => true;

t.test('both versions side by side', t => {
  const mounts = [
    '23 1 254:0 / / rw - ext4 /dev/vda rw',
    '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory',
    '36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct',
    '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate',
  ].join('\n');
  t.strictSame(hierarchiesOf(mounts, '4:memory:/jobs/1\n2:cpu,cpuacct:/\n0::/user\n', everything), [
    { version: 1, controllers: ['memory'], own: '/sys/fs/cgroup/memory/jobs/1' },
    { version: 1, controllers: ['cpu', 'cpuacct'], own: '/sys/fs/cgroup/cpu,cpuacct/' },
    { version: 2, controllers: [], own: '/sys/fs/cgroup/unified/user' },
  ]);
  t.end();
});

t.test('a container sees its own group as the top', t => {
  const mounts = '35 31 0:32 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw';
  t.match(hierarchiesOf(mounts, '0::/docker/abc/inner', everything), [{ own: '/sys/fs/cgroup/inner' }]);
  t.match(hierarchiesOf(mounts, '0::/../elsewhere', everything), [{ own: '/sys/fs/cgroup/' }]);
  t.match(hierarchiesOf(mounts, '0::/docker/other', everything), [{ own: '/sys/fs/cgroup/' }]);
  t.end();
});

t.test('a group that can not be seen is seen as the top', t => {
  const mounts = '35 31 0:32 / /sys/fs/my\\040groups rw - cgroup2 cgroup rw';
  t.match(
    hierarchiesOf(mounts, '0::/gone', () => false),
    [{ own: '/sys/fs/my groups' }],
  );
  t.end();
});

t.test('a machine without control groups has none', t => {
  t.strictSame(hierarchiesOf('23 1 254:0 / / rw - ext4 /dev/vda rw', '', everything), []);
  t.strictSame(hierarchiesOf('', '0::/'), []);
  t.end();
});
