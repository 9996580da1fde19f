import { mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isOfLiving, ownProcess } from '../../resources/process-identity.ts';
import { changedAtMs } from '../abandoned.ts';

let last = 0;

/** Say that an entry is used. Out: takes that back. */
export const markUse = (users: string, hash: string): (() => void) => {
  const directory = join(users, hash);
  const mark = join(directory, `${ownProcess}~${String(++last)}`);
  const write = () => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(mark, '');
  };
  try {
    write();
  } catch (error) {
    // Between the two calls somebody found the directory empty.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    write();
  }
  return () => rmSync(mark, { force: true });
};

/** Whether somebody uses an entry who lives; marks of the dead go. */
export const isUsed = (users: string, hash: string): boolean => {
  const directory = join(users, hash);
  let marks: string[];
  try {
    marks = readdirSync(directory);
  } catch {
    return false;
  }
  const live = marks.filter(mark => isOfLiving(mark, changedAtMs(join(directory, mark))));
  for (const mark of marks) if (!live.includes(mark)) rmSync(join(directory, mark), { force: true });
  try {
    if (live.length === 0) rmdirSync(directory);
  } catch {
    // Somebody came.
  }
  return live.length > 0;
};
