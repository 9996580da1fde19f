import { existsSync } from 'node:fs';
import { join } from 'node:path/posix';

/** One mounted tree of control groups, and the place of this process in it. */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** Of version 1, what the tree controls; of version 2 that stands in its files. */
  readonly controllers: readonly string[];
  /** Directory of the group that this process is in. */
  readonly own: string;
}

/** mountinfo writes blanks and backslashes as octal numbers. */
const decoded = (path: string): string =>
  path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** Where a group is below a mount that shows the tree from `root` on. A group outside of it is seen as its top. */
const below = (root: string, group: string): string => {
  if (group.split('/').includes('..')) return '/';
  if (root === '/') return group;
  return group === root || group.startsWith(`${root}/`) ? group.slice(root.length) : '/';
};

/**
 * The trees of control groups that this process sees: version 1 (one for each controller), version 2, or both.
 * @param mountinfo contents of /proc/self/mountinfo
 * @param groups contents of /proc/self/cgroup
 * Source: cgroups(7), proc_pid_mountinfo(5).
 */
export const hierarchiesOf = (
  mountinfo: string,
  groups: string,
  exists: (path: string) => boolean = existsSync,
): Hierarchy[] => {
  const entries = groups.split('\n').flatMap(line => {
    const [, id, names, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    return id === undefined || names === undefined || path === undefined ? [] : [{ id, names: names.split(','), path }];
  });
  return mountinfo.split('\n').flatMap((line): Hierarchy[] => {
    const [mount = '', source = ''] = line.split(' - ');
    const [, , , root = '/', point = ''] = mount.split(' ').map(decoded);
    const [type, , options = ''] = source.split(' ');
    if (type !== 'cgroup' && type !== 'cgroup2') return [];
    const version = type === 'cgroup2' ? 2 : 1;
    const mounted = options.split(',');
    const entry = entries.find(({ id, names }) =>
      version === 2 ? id === '0' : id !== '0' && names.every(name => mounted.includes(name)),
    );
    if (!entry) return [];
    const path = join(point, below(root, entry.path));
    return [{ version, controllers: version === 2 ? [] : entry.names, own: exists(path) ? path : point }];
  });
};
