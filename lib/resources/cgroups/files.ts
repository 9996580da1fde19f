import { closeSync, constants, openSync, readdirSync, readFileSync, rmdirSync, writeSync } from 'node:fs';
import { join } from 'node:path/posix';

/** The text of a file of the kernel; '' where it is not there. Synchronous: such a read takes some ten microseconds. */
export const textOf = (path: string): string => {
  try {
    // Of all encodings Node reads this one without an object of its own for each piece.
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** A number that stands alone in a file; undefined where it is not there or `max`. */
export const numberOf = (path: string): number | undefined => {
  const text = textOf(path).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
};

/** The number behind a name in a file of lines `name number`. */
export const fieldOf = (path: string, name: string): number | undefined => {
  const found = new RegExp(`^${name} (\\d+)$`, 'm').exec(textOf(path))?.[1];
  return found === undefined ? undefined : Number(found);
};

/** Whether the kernel took it. */
export const wrote = (path: string, value: string | number): boolean => {
  try {
    // Never made anew: what is not a file of the kernel must not become one of ours.
    const file = openSync(path, constants.O_WRONLY);
    try {
      writeSync(file, String(value));
    } finally {
      closeSync(file);
    }
    return true;
  } catch {
    return false;
  }
};

/** Groups in a group. */
export const childrenOf = (path: string): string[] => {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter(one => one.isDirectory())
      .map(one => join(path, one.name));
  } catch {
    return [];
  }
};

/** Processes in a group and in those below it. Who is dead is not in it. */
export const membersOf = (path: string): number[] => {
  const own = textOf(join(path, 'cgroup.procs')).split('\n').filter(Boolean).map(Number);
  return [...own, ...childrenOf(path).flatMap(membersOf)];
};

/** Remove a group and those below it; whether it is gone. One that still has a process in it stays. */
export const removed = (path: string): boolean => {
  const remove = () => {
    try {
      rmdirSync(path);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT';
    }
  };
  if (remove()) return true;
  for (const child of childrenOf(path)) removed(child);
  return remove();
};
