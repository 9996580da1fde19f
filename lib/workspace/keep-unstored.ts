import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Workspace } from '../model/workspace.ts';
import { diskUsage } from '../resources/disk-usage.ts';

/**
 * Move artifacts that could not be stored out of the way of the removal of their attempt: `<run root>/unstored/<name>/<label>`, which
 * stay until a person takes them. Only the runner's user can look into it.
 * @param name of the attempt, as no other one is called
 * Out: where they are, and what they take there, bytes.
 * Errors: those of the file system.
 */
export const keepUnstored = async (
  { home, directoryOf }: Pick<Workspace, 'home' | 'directoryOf'>,
  labels: readonly string[],
  name: string,
): Promise<{ readonly directory: string; readonly bytes: number }> => {
  const all = join(home, 'unstored');
  const directory = join(all, name);
  mkdirSync(all, { recursive: true, mode: 0o700 });
  mkdirSync(directory);
  for (const label of labels) renameSync(directoryOf(label), join(directory, label));
  const { bytes } = await diskUsage(directory);
  return { directory, bytes };
};
