import { createForkServer, type ForkServer } from './fork-server.ts';
import { startShell, type Shell } from './shells.ts';

/** Shells that are started before they are needed: the event loop stands still for some milliseconds while this process forks. */
export interface SpareShells {
  /** One that stands by, or a new one. Errors: as startShell. */
  take(): Shell;
  /** Have some stand by; tried again the next time where that fails. */
  refill(): void;
}

export interface SpareShellsSettings {
  readonly now: () => number;
  /** A Python for a fork server; resolves with undefined, or rejects, where there is none. Absent: this process forks. */
  readonly python?: (() => Promise<string | undefined>) | undefined;
}

/** Of a fork server they cost little: two attempts that begin at once both find one. */
const most = 2;

export const createSpareShells = ({ now, python }: SpareShellsSettings): SpareShells => {
  let spares: Shell[] = [];
  let server: ForkServer | undefined;
  let asked = 0;
  /** Whether a fork server may still be tried: none that started no shell is tried again. */
  let isHopeful = python !== undefined;

  const keep = (shell: Shell): void => {
    shell.hold(false);
    spares.push(shell);
  };
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
    } catch {
      // This process forks, as it did before.
    }
  };
  const refill = (): void => {
    spares = spares.filter(({ isAlive }) => isAlive);
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
      const spare = spares.find(({ isAlive }) => isAlive);
      spares = spares.filter(one => one !== spare);
      const shell = spare ?? startShell(now);
      shell.hold(true);
      return shell;
    },
    refill,
  };
};
