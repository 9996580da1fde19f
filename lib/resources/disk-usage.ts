import { lstatSync, readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

/** So many entries in a row before others have their turn. */
const slice = 200;
const blockBytes = 512;

export interface DiskUsage {
  readonly bytes: number;
  /** Whether the walk came to its end; else there is at least so much. */
  readonly complete: boolean;
}

/**
 * Disk that a directory and everything in it takes, as blocks: holes of sparse files don't count, hard links count once. Links are
 * not followed; what goes away meanwhile is left out.
 * @param mostEntries the walk ends after so many
 */
export const diskUsage = async (root: string, mostEntries = Infinity, signal?: AbortSignal): Promise<DiskUsage> => {
  const linked = new Set<number>();
  const stack = [root];
  let bytes = 0;
  let entries = 0;
  const count = (path: string): void => {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (!stats || (stats.nlink > 1 && !stats.isDirectory() && linked.has(stats.ino))) return;
    if (stats.nlink > 1 && !stats.isDirectory()) linked.add(stats.ino);
    bytes += (stats.blocks ?? 0) * blockBytes;
  };
  for (let directory = stack.pop(); directory !== undefined; directory = stack.pop()) {
    try {
      for (const one of readdirSync(directory, { withFileTypes: true })) {
        if (entries >= mostEntries || signal?.aborted) return { bytes, complete: false };
        if (++entries % slice === 0) await setImmediate();
        const path = `${directory}/${one.name}`;
        count(path);
        if (one.isDirectory()) stack.push(path);
      }
    } catch {
      // Gone, or not for us: it counts with what it had until now.
    }
  }
  return { bytes, complete: true };
};
