import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ownCgroupDirectories, readIfThere } from './cgroup.ts';

/** Cores that a cgroup v2 `cpu.max` allows (`max 100000`, `150000 100000`); undefined where it sets no limit. */
export const parseCpuMax = (text: string): number | undefined => {
  const [quota, period] = text.trim().split(/\s+/).map(Number);
  return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : undefined;
};

/** Whole cores of a machine whose affinity mask has `cores`, under quotas in cores; at least 1. */
export const coresWithin = (cores: number, quotas: readonly (number | undefined)[]): number =>
  Math.max(1, Math.floor(Math.min(cores, ...quotas.filter(quota => quota !== undefined))));

/** Cores that this process may use: its affinity mask, within the quotas of its cgroups. Source: spec "Resources". */
export const measureCores = async (): Promise<number> => {
  const directories = await ownCgroupDirectories('cpu');
  const quotas = directories.map(async ({ version, path }) => {
    if (version === 2) return parseCpuMax((await readIfThere(join(path, 'cpu.max'))) ?? '');
    const [quota, period] = await Promise.all(
      ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map(name => readIfThere(join(path, name))),
    );
    return parseCpuMax(`${quota ?? ''} ${period ?? ''}`);
  });
  return coresWithin(availableParallelism(), await Promise.all(quotas));
};
