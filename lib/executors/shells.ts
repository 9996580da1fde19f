import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';

/** A shell in a session of its own that does what it reads. It ends with its input, so with this runner as well. */
export interface Shell {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  /** Wall clock, ms: nothing that it started is older. */
  readonly startedAtMs: number;
  /** Resolves with the reason where it could not be started. */
  readonly failed: Promise<Error>;
}

/** Whether it runs. */
export const isAlive = ({ child }: Shell): boolean =>
  child.pid !== undefined && child.exitCode === null && child.signalCode === null;

/** Start one, with an empty environment. Errors: those of spawn that come at once. */
export const startShell = (now: () => number): Shell => {
  const startedAtMs = now();
  const child = spawn('/bin/sh', [], { cwd: '/', env: {}, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  const failed = new Promise<Error>(resolve => child.on('error', resolve));
  // It may be gone before it has read everything, which its exit tells.
  child.stdin.on('error', () => undefined);
  return { child, startedAtMs, failed };
};

/** Whether it keeps this process from ending. */
const hold = ({ child }: Shell, isHeld: boolean): void => {
  const how = isHeld ? 'ref' : 'unref';
  child[how]();
  for (const stream of child.stdio) (stream as Socket | null)?.[how]();
};

/** A shell that is started before it is needed: the event loop stands still for some milliseconds while a process is started. */
export interface SpareShell {
  /** The one that stands by, or a new one. Errors: as startShell. */
  take(): Shell;
  /** Have one stand by; tried again the next time where that fails. */
  refill(): void;
}

export const createSpareShell = (now: () => number): SpareShell => {
  let spare: Shell | undefined;
  return {
    take: () => {
      const shell = spare && isAlive(spare) ? spare : startShell(now);
      spare = undefined;
      hold(shell, true);
      return shell;
    },
    refill: () => {
      if (spare && isAlive(spare)) return;
      try {
        spare = startShell(now);
        hold(spare, false);
      } catch {
        spare = undefined;
      }
    },
  };
};
