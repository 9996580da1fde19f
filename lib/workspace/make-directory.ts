import { mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/**
 * Make a directory and those above it, where they are not there. For places that a person or a request names: Node's own recursive
 * mkdir never comes back from one where no directory can be made and that is said with ENOENT, as /proc does (24.21), and takes
 * memory all the while.
 * Errors: those of the file system, EEXIST where something else stands there.
 */
export const makeDirectory = async (path: string, mode = 0o777): Promise<void> => {
  const make = () =>
    mkdir(path, { mode }).catch(async (error: unknown) => {
      if (codeOf(error) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
    });
  try {
    await make();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectory(dirname(path), mode);
    await make();
  }
};

/** The same, at once. */
export const makeDirectorySync = (path: string, mode = 0o777): void => {
  const make = () => {
    try {
      mkdirSync(path, { mode });
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
    }
  };
  try {
    make();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    makeDirectorySync(dirname(path), mode);
    make();
  }
};
