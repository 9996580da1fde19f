import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What is left to others, who write on the same disk. Source: spec "Options", max-disk. */
const share = 0.85;

/** Bytes that experiments can have of a disk with so many free blocks. */
export const usableDiskBytes = ({ bavail, bsize }: { readonly bavail: number; readonly bsize: number }): number =>
  Math.floor(bavail * bsize * share);

/**
 * Disk that experiments can have below a directory, bytes; one that is not there yet is taken for the one it will be in.
 * Errors: those of statfs.
 */
export const measureDiskBytes = async (directory: string): Promise<number> => {
  try {
    return usableDiskBytes(await statfs(directory));
  } catch (error) {
    const parent = dirname(directory);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === directory) throw error;
    return measureDiskBytes(parent);
  }
};
