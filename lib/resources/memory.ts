import { freemem } from 'node:os';
import { join } from 'node:path';
import { ownCgroupDirectories, readIfThere, type CgroupDirectory } from './cgroup.ts';

/** cgroup v1 says "no limit" by the largest number of pages there is. */
const noLimitBytes = 2 ** 60;

/** MemAvailable of /proc/meminfo in bytes; undefined where it is not told. */
export const parseMemAvailable = (meminfo: string): number | undefined => {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
};

/**
 * Bytes left under one cgroup's limit; undefined where it has none. File pages that nobody uses are given up when memory is
 * asked for, so they don't count as used.
 * @param stat contents of memory.stat
 */
export const leftUnderLimit = (
  limit: string | undefined,
  usage: string | undefined,
  stat: string | undefined,
): number | undefined => {
  const limitBytes = Number(limit?.trim() || 'max');
  if (!(limitBytes < noLimitBytes)) return undefined;
  const fields = new Map((stat ?? '').split('\n').map(line => line.split(' ') as [string, string]));
  const idleFileBytes = Number(fields.get('total_inactive_file') ?? fields.get('inactive_file') ?? 0);
  const usedBytes = Math.max(0, Number(usage ?? 0) - idleFileBytes);
  return Math.max(0, limitBytes - usedBytes);
};

const readLeft = async ({ version, path }: CgroupDirectory): Promise<number | undefined> => {
  const names = version === 2 ? ['memory.max', 'memory.current'] : ['memory.limit_in_bytes', 'memory.usage_in_bytes'];
  const [limit, usage, stat] = await Promise.all([...names, 'memory.stat'].map(name => readIfThere(join(path, name))));
  return leftUnderLimit(limit, usage, stat);
};

/** Memory that experiments can have, bytes: min(MemAvailable, cgroup limit - use). Source: spec "Resources", max-mem. */
export const measureMemoryBytes = async (): Promise<number> => {
  const meminfo = await readIfThere('/proc/meminfo');
  const available = parseMemAvailable(meminfo ?? '') ?? freemem();
  const left = await Promise.all((await ownCgroupDirectories('memory')).map(readLeft));
  return Math.min(available, ...left.filter(bytes => bytes !== undefined));
};
