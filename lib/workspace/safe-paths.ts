import { lstatSync } from 'node:fs';
import { dirname, isAbsolute, join, normalize, relative, sep } from 'node:path';
import { AttemptError } from '../errors.ts';

const refuse = (name: string, why: string): AttemptError =>
  new AttemptError('artifact-invalid', `archive refused: ${why}`, { entry: name.slice(0, 200) });

/**
 * Where an entry of an archive may be written: inside `target`, and through no link.
 * Errors: `artifact-invalid` for an absolute name, one that leaves the target, one with a NUL, or one below a link.
 */
export const placeFor = (target: string, name: string): string => {
  if (name.includes('\0')) throw refuse(name, 'its name has a NUL byte');
  if (isAbsolute(name)) throw refuse(name, 'its name is absolute');
  const clean = normalize(name);
  if (clean === '..' || clean.startsWith(`..${sep}`)) throw refuse(name, 'its name leaves the directory');
  const place = join(target, clean);
  for (let parent = dirname(place); parent.length > target.length; parent = dirname(parent)) {
    const found = lstatSync(parent, { throwIfNoEntry: false });
    if (found && !found.isDirectory()) throw refuse(name, 'it would be written through a link or a file');
  }
  return place;
};

/**
 * Check what a symbolic link at `place` points to: it must stay inside `target`.
 * Errors: `artifact-invalid`.
 */
export const checkLink = (target: string, place: string, linkname: string, name: string): void => {
  if (isAbsolute(linkname)) throw refuse(name, 'it is a link to an absolute path');
  const inside = relative(target, join(dirname(place), linkname));
  if (inside === '..' || inside.startsWith(`..${sep}`))
    throw refuse(name, 'it is a link that points out of the directory');
};

export const refuseEntry = refuse;
