import { readFile } from 'node:fs/promises';
import { join } from 'node:path/posix';

/** A directory that holds limits of ours, in the words of its version. */
export interface CgroupDirectory {
  readonly version: 1 | 2;
  readonly path: string;
}

const withAncestors = (path: string): string[] => {
  const parts = path.split('/').filter(part => part !== '' && part !== '..');
  return [...parts.keys(), parts.length].map(count => `/${parts.slice(0, count).join('/')}`);
};

/**
 * Where limits of one controller may stand for this process: its own group and each group above it. A container sees its
 * group as the root of the mount whatever /proc/self/cgroup says, so directories that are not there are to be passed over.
 * @param text contents of /proc/self/cgroup
 * Source: cgroups(7).
 */
export const cgroupDirectories = (text: string, controller: string, mount = '/sys/fs/cgroup'): CgroupDirectory[] =>
  text.split('\n').flatMap((line): CgroupDirectory[] => {
    const [, id, names, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (names === undefined || path === undefined) return [];
    if (id === '0' && names === '')
      return [mount, join(mount, 'unified')].flatMap(root =>
        withAncestors(path).map(one => ({ version: 2 as const, path: join(root, one) })),
      );
    if (!names.split(',').includes(controller)) return [];
    const roots = new Set([join(mount, controller), join(mount, names)]);
    return [...roots].flatMap(root => withAncestors(path).map(one => ({ version: 1 as const, path: join(root, one) })));
  });

/** The text of a file of the kernel; undefined where it is not there or not for us. */
export const readIfThere = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

/** Where limits of this process may stand. */
export const ownCgroupDirectories = async (controller: string): Promise<CgroupDirectory[]> =>
  cgroupDirectories((await readIfThere('/proc/self/cgroup')) ?? '', controller);
