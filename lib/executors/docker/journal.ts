import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTimeOf } from '../../resources/process-identity.ts';

/** Which containers runners on this working directory have made, so that what a dead one left is known without asking the engine. */
export interface ContainerJournal {
  /** To be said before the container is made. */
  add(name: string): void;
  /** It is removed. */
  delete(name: string): void;
  /** Containers whose runner is dead. */
  abandoned(): readonly string[];
}

const own = `${String(process.pid)} ${startTimeOf(process.pid) ?? ''}`;

const isAlive = (owner: string): boolean => {
  const [pid = '', since] = owner.split(' ');
  return startTimeOf(Number(pid)) === since;
};

/** @param directory one file for each container, with the process id and start time of its runner */
export const createContainerJournal = (directory: string): ContainerJournal => ({
  add: name => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, name), own);
  },
  delete: name => {
    rmSync(join(directory, name), { force: true });
  },
  abandoned: () => {
    try {
      return readdirSync(directory).filter(name => !isAlive(readFileSync(join(directory, name), 'utf8')));
    } catch {
      return [];
    }
  },
});
