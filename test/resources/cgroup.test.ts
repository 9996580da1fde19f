import t from 'tap';
import { cgroupDirectories } from '../../lib/resources/cgroup.ts';

t.test('a group of version 2 is looked at with all above it', t => {
  t.strictSame(
    cgroupDirectories('0::/a/b\n', 'memory', '/m')
      .map(one => one.path)
      .filter(path => !path.startsWith('/m/unified')),
    ['/m/', '/m/a', '/m/a/b'],
  );
  t.end();
});

t.test('a controller of version 1 is found by its own name and by that of its mount', t => {
  const found = cgroupDirectories('4:cpu,cpuacct:/x\n3:memory:/y\n', 'cpu', '/m');
  t.ok(found.every(({ version }) => version === 1));
  t.strictSame(
    found.map(one => one.path),
    ['/m/cpu/', '/m/cpu/x', '/m/cpu,cpuacct/', '/m/cpu,cpuacct/x'],
  );
  t.end();
});

t.test('a path that leads out of the mount stays in it', t => {
  t.ok(cgroupDirectories('0::/../../etc\n', 'cpu', '/m').every(({ path }) => path.startsWith('/m')));
  t.end();
});
