import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isOfLiving, ownProcess } from '../../resources/process-identity.ts';

/** Which containers runners on this working directory have made, so that what a dead one left is known without asking the engine. */
export interface ContainerJournal {
  /** To be said before the container is made. */
  add(name: string): void;
  /** It is removed. */
  delete(name: string): void;
  /** Containers whose runner is dead. */
  abandoned(): readonly string[];
}

/** A runner that can't be seen from here is another life of this place: what a container runtime restarted has new process ids. */
const isAlive = (owner: string): boolean => isOfLiving(owner, 0, 0);

/** @param directory one file for each container, which names its runner's process */
export const createContainerJournal = (directory: string): ContainerJournal => ({
  add: name => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, name), ownProcess);
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
