import { lstat, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, OptionsError } from '../../lib/errors.ts';
import { makeDirectory } from '../../lib/workspace/make-directory.ts';
import type { MadeFile } from './make.ts';

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

const writeNew = async ({ path, text }: MadeFile): Promise<void> => {
  await makeDirectory(dirname(path), 0o700);
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
};

/**
 * Write the files of a set: all or none, none over another. Files are for their owner only (0600), directories too (0700).
 * Errors: OptionsError that names each file that is there already; what writing throws, with what to do about it, after what was written is removed.
 */
export const writeKeys = async (files: readonly MadeFile[]): Promise<void> => {
  const there: string[] = [];
  for (const { path } of files) if (await isThere(path)) there.push(path);
  if (there.length > 0) {
    throw new OptionsError(
      there.map(path => `keys: ${path} is there already; nothing was written. Move it away, or choose another --out`),
    );
  }
  const written: string[] = [];
  try {
    for (const file of files) {
      await writeNew(file);
      written.push(file.path);
    }
  } catch (error) {
    for (const path of written) await rm(path, { force: true });
    throw new Error(`keys: nothing was written: ${messageOf(error)}; choose another --out`, { cause: error });
  }
};
