import { lstatSync, type BigIntStats } from 'node:fs';

/** How something on a disk was at one moment. */
export interface Mark {
  readonly device: bigint;
  readonly inode: bigint;
  /** Time of its last change, ns; undefined where the file system notes it too roughly to tell one change from the next. */
  readonly changedNs: bigint | undefined;
}

const roughNs = 1_000_000n;

export const markFrom = ({ dev, ino, ctimeNs }: Pick<BigIntStats, 'dev' | 'ino' | 'ctimeNs'>): Mark => ({
  device: dev,
  inode: ino,
  changedNs: ctimeNs % roughNs === 0n ? undefined : ctimeNs,
});

/**
 * Remember how something is. Links are not followed.
 * Errors: those of lstat.
 */
export const markOf = (path: string): Mark => markFrom(lstatSync(path, { bigint: true }));

/**
 * Whether it still is as it was: the kernel notes each change of content, of a name in a directory, of mode, owner, links and
 * attributes, and no program can take the note back. Changes within one tick of its clock, up to 10 ms, have the same time: what is
 * let in after a mark must take longer to start.
 * Source: inode(7), "Last status change timestamp".
 */
export const isUntouched = (path: string, { device, inode, changedNs }: Mark): boolean => {
  const now = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return changedNs !== undefined && now?.dev === device && now.ino === inode && now.ctimeNs === changedNs;
};
