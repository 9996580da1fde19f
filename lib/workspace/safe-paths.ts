import { lstatSync, readlinkSync } from 'node:fs';
import { archiveRefused } from './archive-errors.ts';
import { asBytes, forDisk, type BytePath } from './byte-path.ts';

/** Links on the way of one link; the kernel follows 40. */
const maxHops = 40;

/**
 * The parts of an entry's name below the directory that it is unpacked to.
 * Errors: `artifact-invalid` for an absolute name, one with `..` or one with a NUL.
 */
export const partsOf = (path: BytePath): string[] => {
  if (path.includes('\0')) throw archiveRefused('its name has a NUL byte', path);
  if (path.startsWith('/')) throw archiveRefused('its name is absolute', path);
  const parts = path.split('/').filter(part => part !== '' && part !== '.');
  if (parts.includes('..')) throw archiveRefused('its name leaves the directory', path);
  return parts;
};

/**
 * Whether a symbolic link leads out of `target`, followed part by part on the disk: through other links `a/../b` is not what it
 * looks like.
 * @param parts of the directory that holds the link, below `target`; none of them is a link
 */
export const leadsOut = (target: BytePath, parts: readonly string[], linkname: BytePath): boolean => {
  const at = [...parts];
  let ahead = linkname.split('/');
  if (linkname.startsWith('/')) return true;
  for (let hops = 0; ahead.length > 0;) {
    const [part = '', ...rest] = ahead;
    ahead = rest;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (at.pop() === undefined) return true;
      continue;
    }
    at.push(part);
    const place = forDisk(`${target}/${at.join('/')}`);
    if (!lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink()) continue;
    if (++hops > maxHops) return true;
    const next = readlinkSync(place, asBytes);
    if (next.startsWith('/')) return true;
    at.pop();
    ahead = [...next.split('/'), ...ahead];
  }
  return false;
};
