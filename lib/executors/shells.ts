import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { spawn, type ChildProcess } from '../resources/child-process.ts';

/** How a process ended; both null where nobody can tell any more. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that was started in a session of its own. */
export interface Started {
  /** Undefined where it could not be started. */
  readonly pid: number | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves with the reason where it could not be started. */
  readonly failed: Promise<Error>;
  readonly ended: Promise<Ended>;
}

/** A shell that does what it reads. It ends with its input, so with this runner as well. */
export interface Shell extends Started {
  readonly stdin: Writable;
  /** Process id of who started it. */
  readonly parent: number;
  /** Wall clock, ms: nothing that it started is older. */
  readonly startedAtMs: number;
  /** Whether it runs. */
  readonly isAlive: boolean;
  /** Whether it keeps this process from ending. */
  hold(isHeld: boolean): void;
}

/** What a child of this process tells of itself. */
export const startedBy = (child: ChildProcess): Pick<Started, 'pid' | 'failed' | 'ended'> => ({
  pid: child.pid,
  failed: new Promise<Error>(resolve => child.on('error', resolve)),
  ended: new Promise<Ended>(resolve => {
    child.once('exit', (code, signal) => {
      resolve({ code, signal });
    });
  }),
});

/** Start one, with an empty environment. Errors: those of spawn that come at once; EMFILE where no descriptor is left for it. */
export const startShell = (now: () => number): Shell => {
  const startedAtMs = now();
  const child = spawn('/bin/sh', [], { cwd: '/', env: {}, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  const started = startedBy(child);
  // Where no descriptor is left Node makes no streams, and tells why when it is too late to throw.
  const { stdin, stdout, stderr } = child as Partial<typeof child>;
  if (!stdin || !stdout || !stderr)
    throw Object.assign(new Error('no file descriptor is left for a process'), { code: 'EMFILE' });
  // It may be gone before it has read everything, which its exit tells.
  stdin.on('error', () => undefined);
  return {
    ...started,
    stdin,
    stdout,
    stderr,
    parent: process.pid,
    startedAtMs,
    get isAlive() {
      return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
    },
    hold: isHeld => {
      const how = isHeld ? 'ref' : 'unref';
      child[how]();
      for (const stream of [stdin, stdout, stderr]) (stream as Socket)[how]();
    },
  };
};
