import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beatMs, isOfLiving, ownProcess, silentMs } from '../../resources/process-identity.ts';

/** Which containers runners on this working directory have made, so that what a dead one left is known without asking the engine. */
export interface ContainerJournal {
  /** To be said before the container is made. */
  add(name: string): void;
  /** It is removed. */
  delete(name: string): void;
  /** Containers whose runner is dead. */
  abandoned(): readonly string[];
}

/**
 * An owner that can't be seen may be in another container on this machine, or another life of this place: what was restarted has new
 * process ids.
 * @param directory one file for each container, which names its runner's process; its modification time is the heartbeat
 */
export const createContainerJournal = (directory: string): ContainerJournal => {
  const own = new Set<string>();
  let heart: NodeJS.Timeout | undefined;
  const beat = () => {
    const now = new Date();
    for (const name of own) {
      try {
        utimesSync(join(directory, name), now, now);
      } catch {
        // It is removed, or can't be written to: then another runner may remove the container.
      }
    }
  };
  const isAbandoned = (name: string): boolean => {
    const file = join(directory, name);
    try {
      return !isOfLiving(readFileSync(file, 'utf8'), statSync(file).mtimeMs, silentMs);
    } catch {
      // Its runner has removed it meanwhile.
      return false;
    }
  };
  return {
    add: name => {
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, name), ownProcess);
      own.add(name);
      heart ??= setInterval(beat, beatMs).unref();
    },
    delete: name => {
      rmSync(join(directory, name), { force: true });
      own.delete(name);
      if (own.size > 0) return;
      clearInterval(heart);
      heart = undefined;
    },
    abandoned: () => {
      try {
        return readdirSync(directory).filter(isAbandoned);
      } catch {
        return [];
      }
    },
  };
};
