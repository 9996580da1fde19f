import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What is left to others, who write on the same disk. Source: spec "Options", max-disk. */
const share = 0.85;

/** Bytes that experiments can have of a disk with so many free blocks. */
export const usableDiskBytes = ({ bavail, bsize }: { readonly bavail: number; readonly bsize: number }): number =>
  Math.floor(bavail * bsize * share);

/** A directory that is not there yet is taken for the one it will be in. */
const statDisk = async (directory: string): Promise<StatsFs> => {
  try {
    return await statfs(directory);
  } catch (error) {
    const parent = dirname(directory);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === directory) throw error;
    return statDisk(parent);
  }
};

/** Disk that experiments can have below a directory, bytes. Errors: those of statfs. */
export const measureDiskBytes = async (directory: string): Promise<number> =>
  usableDiskBytes(await statDisk(directory));
