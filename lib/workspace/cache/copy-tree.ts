import {
  chmodSync,
  constants,
  copyFileSync,
  lutimesSync,
  mkdirSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { forDisk, toBytes } from '../byte-path.ts';
import { listDirectory } from '../list-directory.ts';

/** Up to this size a file is copied at once; what is larger would keep others waiting. */
const smallBytes = 256 * 1024;
/** So many calls in a row before others have their turn. */
const slice = 50;

/**
 * Copy what is in a directory to another that exists. Files share their blocks with the copy where the file system can do that
 * (reflink): then it costs no reading, and whoever writes gets blocks of his own.
 * Errors: those of the file system; the signal's reason.
 */
export const copyTree = async (from: string, to: string, signal: AbortSignal): Promise<void> => {
  const [source, target] = [toBytes(from), toBytes(to)];
  const found = await listDirectory(from);
  let calls = 0;
  for (const { path, type, sizeBytes, mode, mtimeMs } of found) {
    if (++calls % slice === 0) await setImmediate();
    signal.throwIfAborted();
    const [there, here] = [forDisk(`${source}/${path}`), forDisk(`${target}/${path}`)];
    if (type === 'directory') mkdirSync(here, 0o700);
    else if (type === 'symlink') {
      symlinkSync(readlinkSync(there, { encoding: 'buffer' }), here);
      lutimesSync(here, mtimeMs / 1000, mtimeMs / 1000);
    } else {
      if (sizeBytes <= smallBytes) copyFileSync(there, here, constants.COPYFILE_FICLONE);
      else await copyFile(there, here, constants.COPYFILE_FICLONE);
      chmodSync(here, mode);
      utimesSync(here, mtimeMs / 1000, mtimeMs / 1000);
    }
  }
  for (const { path, type, mode, mtimeMs } of found.toReversed()) {
    if (type !== 'directory') continue;
    const here = forDisk(`${target}/${path}`);
    utimesSync(here, mtimeMs / 1000, mtimeMs / 1000);
    chmodSync(here, mode);
  }
};
