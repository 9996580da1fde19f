import { realpath } from 'node:fs/promises';
import path from 'node:path';

/** Whether a path is a directory or below it. Both absolute and normalised; nothing is asked of the file system. */
export const isWithin = (directory: string, file: string): boolean => {
  const way = path.relative(directory, file);
  return way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way);
};

/** Where a path really leads, every link followed; what does not exist yet stays as it is written. */
export const realPathOf = async (file: string): Promise<string> => {
  try {
    return await realpath(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const parent = path.dirname(file);
    if (code !== 'ENOENT' || parent === file) throw error;
    return path.join(await realPathOf(parent), path.basename(file));
  }
};

/** The path of a key below a directory; undefined for a key that is empty, names a directory, or leads out. */
export const pathOfKey = (root: string, key: string): string | undefined => {
  const parts = key.split('/');
  const isPath = parts[0] !== '' && parts.at(-1) !== '' && !parts.includes('.') && !parts.includes('..');
  return isPath && !key.includes('\0') ? path.join(root, key) : undefined;
};
