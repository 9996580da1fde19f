import { accessSync, constants } from 'node:fs';
import type { Command } from '../model/attempt.ts';
import type { Confinement } from './confinement.ts';
import { becomeScript } from './launch-script.ts';
import type { Shell } from './shells.ts';

/** A process that waits within the limits of a run to become its program. */
export interface Launcher {
  readonly shell: Shell;
  readonly confinement: Confinement;
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

/** @param shell in the group of the confinement */
export const createLauncher = (shell: Shell, confinement: Confinement): Launcher => {
  const { stdin, stdout, stderr } = shell;
  let isOver = false;
  return {
    shell,
    confinement,
    get isWaiting() {
      return !isOver && shell.isAlive;
    },
    launch: async ({ file, ...command }) => {
      if (shell.pid === undefined) throw await shell.failed;
      // The shell would tell of these in its own words, and with an exit code that programs use as well.
      for (const needed of [command.cwd, file]) accessSync(needed, constants.X_OK);
      isOver = true;
      stdin.end(becomeScript({ file, ...command }));
    },
    discard: () => {
      if (isOver) return;
      isOver = true;
      // A shell that reads the end of its input ends.
      for (const stream of [stdin, stdout, stderr]) stream.destroy();
      void confinement.end();
    },
  };
};
