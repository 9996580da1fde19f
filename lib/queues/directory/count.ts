import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { QueueCounts } from '../queue.ts';
import { claimsOf, isClaim, isMessage, isMissing } from './paths.ts';

const namesIn = (directory: string): Promise<readonly string[]> =>
  readdir(directory).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });

const claimedIn = async (directory: string): Promise<number> => {
  const runners = await namesIn(directory);
  const claims = await Promise.all(runners.map(runner => namesIn(join(directory, runner)).catch(() => [])));
  return claims.flat().filter(isClaim).length;
};

/** Messages that lie in these queues, and those that runners have claimed. Errors: those of the file system. */
export const countInDirectory = async (root: string, names: readonly string[]): Promise<QueueCounts> => {
  const waiting = await Promise.all(
    names.map(async name => [name, (await namesIn(join(root, name))).filter(isMessage).length] as const),
  );
  const claimed = await Promise.all(
    names.map(async name => [name, await claimedIn(join(claimsOf(root), name))] as const),
  );
  const leased = claimed.reduce((sum, [, one]) => sum + one, 0);
  return { waiting: new Map(waiting), leased, leasedBy: new Map(claimed) };
};
