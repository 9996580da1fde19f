import { isMachineFault } from '../errors.ts';
import { createForkServer, type ForkServer } from './fork-server.ts';
import { inGroup, type GroupedShell } from './grouped-shell.ts';
import { startShell, type Shell } from './shells.ts';
import type { ControlGroups } from '../resources/cgroups/control-groups.ts';

/**
 * Shells that are started before they are needed: the event loop stands still for some milliseconds while this process forks, and the
 * kernel takes some until a process has joined its group.
 */
export interface SpareShells {
  /** One that stands by, or a new one. Errors: as startShell. */
  take(): GroupedShell;
  /** Have some stand by; tried again the next time where that fails. */
  refill(): void;
}

export interface SpareShellsSettings {
  readonly now: () => number;
  readonly groups: ControlGroups;
  /** A Python for a fork server; resolves with undefined, or rejects, where there is none. Absent: this process forks. */
  readonly python?: (() => Promise<string | undefined>) | undefined;
}

/** Of a fork server they cost little: two attempts that begin at once both find one. */
const most = 2;

export const createSpareShells = ({ now, groups, python }: SpareShellsSettings): SpareShells => {
  let spares: GroupedShell[] = [];
  let server: ForkServer | undefined;
  let asked = 0;
  /** Whether a fork server may still be tried: none that started no shell is tried again. */
  let isHopeful = python !== undefined;

  const keep = (shell: Shell): void => {
    shell.hold(false);
    spares.push(inGroup(shell, groups));
  };
  /** Those that live, without `taken`; the groups of the dead go. */
  const others = (taken?: GroupedShell): GroupedShell[] =>
    spares.filter(one => {
      if (!one.shell.isAlive) one.group?.remove();
      return one.shell.isAlive && one !== taken;
    });
  const openServer = async (): Promise<ForkServer | undefined> => {
    const path = await python?.();
    return path === undefined ? undefined : createForkServer(path, now);
  };
  const askServer = async (): Promise<void> => {
    try {
      if (!server?.isRunning) {
        isHopeful = false;
        server = await openServer();
      }
      if (!server) return;
      keep(await server.start());
      isHopeful = true;
    } catch (error) {
      // This process forks, as it did before. A machine that had nothing left for a fork server may have it the next time.
      isHopeful ||= isMachineFault(error);
    }
  };
  const refill = (): void => {
    spares = others();
    if (isHopeful) {
      for (; spares.length + asked < most && isHopeful; asked += 1)
        void askServer().finally(() => {
          asked -= 1;
        });
    } else if (spares.length === 0) {
      try {
        keep(startShell(now));
      } catch {
        // Tried again when one is needed.
      }
    }
  };
  return {
    take: () => {
      const spare = spares.find(({ shell }) => shell.isAlive);
      spares = others(spare);
      const taken = spare ?? inGroup(startShell(now), groups);
      taken.shell.hold(true);
      return taken;
    },
    refill,
  };
};
