import { lstatSync } from 'node:fs';

/** How something on a disk was at one moment. */
export interface Mark {
  readonly device: bigint;
  readonly inode: bigint;
  readonly changedNs: bigint;
}

/**
 * Remember how something is. Links are not followed.
 * Errors: those of lstat.
 */
export const markOf = (path: string): Mark => {
  const { dev: device, ino: inode, ctimeNs: changedNs } = lstatSync(path, { bigint: true });
  return { device, inode, changedNs };
};

/**
 * Whether it still is as it was: the kernel notes each change of content, of a name in a directory, of mode, owner, links and
 * attributes, and no program can take the note back.
 * Source: inode(7), "Last status change timestamp".
 */
export const isUntouched = (path: string, { device, inode, changedNs }: Mark): boolean => {
  const now = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return now?.dev === device && now.ino === inode && now.ctimeNs === changedNs;
};
