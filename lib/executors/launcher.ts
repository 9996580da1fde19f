import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { Command } from '../model/attempt.ts';
import { textOf } from '../resources/cgroups/files.ts';
import type { Confinement } from './confinement.ts';
import { becomeScript, confineScript } from './launch-script.ts';

/**
 * A process that waits within the limits of a run to become its program: starting a process and moving it into control groups takes
 * some 15 ms, in which the artifacts are still on their way.
 */
export interface Launcher {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly confinement: Confinement;
  /** Wall clock, ms: nothing that it started is older. */
  readonly startedAtMs: number;
  /** Whether it waits; not where it could not be started, or somebody ended it. */
  readonly isWaiting: boolean;
  /**
   * It becomes this program.
   * Errors: those of spawn, where there is no process; those of the file system, where program or directory are not there.
   */
  launch(command: Command): Promise<void>;
  /** It will not become anything any more: it ends, and its groups go. Nothing where it was launched. */
  discard(): void;
}

/** When memory is short the kernel looks for the highest score first: an experiment's is above the runner's. */
const scoreAbove = 500;
const highestScore = 1000;
const scoreOfExperiments = (): number => {
  const own = Number(textOf('/proc/self/oom_score_adj').trim() || '0');
  return Math.min(highestScore, Math.max(0, own) + scoreAbove);
};

/**
 * Start a shell in a session of its own, which joins the groups and waits.
 * @param marker `NAME=value`, its environment until it becomes the program
 * Errors: those of spawn that come at once; others by the event `error` of the child.
 */
export const createLauncher = (confinement: Confinement, marker: string, startedAtMs: number): Launcher => {
  const at = marker.indexOf('=');
  const child = spawn('/bin/sh', [], {
    cwd: '/',
    env: { [marker.slice(0, at)]: marker.slice(at + 1) },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const failed = new Promise<Error>(resolve => child.on('error', resolve));
  // It may be gone before it has read everything, which its exit tells.
  child.stdin.on('error', () => undefined);
  child.stdin.write(confineScript(scoreOfExperiments(), confinement.group?.joins ?? []));
  let isOver = false;
  return {
    child,
    confinement,
    startedAtMs,
    get isWaiting() {
      return !isOver && child.pid !== undefined && child.exitCode === null && child.signalCode === null;
    },
    launch: async ({ file, ...command }) => {
      if (child.pid === undefined) throw await failed;
      // The shell would tell of these in its own words, and with an exit code that programs use as well.
      for (const needed of [command.cwd, file]) accessSync(needed, constants.X_OK);
      isOver = true;
      child.stdin.end(becomeScript({ file, ...command }));
    },
    discard: () => {
      if (isOver) return;
      isOver = true;
      // A shell that reads the end of its input ends.
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
      void confinement.end();
    },
  };
};
