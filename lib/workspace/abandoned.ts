import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isOfLiving } from '../resources/process-identity.ts';
import { removeTree } from './remove-tree.ts';

/** When something was changed last, ms since the epoch; 0 where it is gone. */
export const changedAtMs = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/**
 * Remove from a directory what processes left there that died. Its entries begin with the name of the process that made them.
 * Errors: those of the file system.
 */
export const removeAbandoned = async (directory: string): Promise<void> => {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (!isOfLiving(name, changedAtMs(path))) await removeTree(path);
  }
};
