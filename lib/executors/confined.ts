import type { Command, PreparedAttempt, ReadyAttempt, Run } from '../model/attempt.ts';
import type { Emit } from '../telemetry/events.ts';
import { createConfinement } from './confinement.ts';
import { markerOf } from './experiment-env.ts';
import { createLauncher, type Launcher } from './launcher.ts';
import { startProcess } from './process.ts';
import { longestRunMs } from './program.ts';
import { commandAs, handOver, type RunAs } from './run-as.ts';
import { createSpareShells } from './spare-shells.ts';
import type { Watch } from './watch.ts';
import type { ControlGroups } from '../resources/cgroups/control-groups.ts';

export interface ConfinedSettings {
  /** What experiments are held in, and who looks at them. */
  readonly confinement: { readonly groups: ControlGroups; readonly watch: Watch };
  /** MEMORY_LIMIT */
  readonly memoryLimit: 'soft' | 'hard';
  readonly terminationGraceMs: number;
  /** EXPERIMENT_USER */
  readonly runAs?: RunAs | undefined;
  /** Its abort kills what runs at once. */
  readonly kill: AbortSignal;
  readonly emit: Emit;
  readonly now: () => number;
  /** A Python of version 3.8 or newer, where there is one, that starts processes for this one. */
  readonly python?: (() => Promise<string | undefined>) | undefined;
}

/** Programs of attempts on this machine, each within the limits of its grant. */
export interface Confined {
  /** A process that waits within them to become the program. */
  launcherFor(attempt: PreparedAttempt): Launcher;
  /** Make an attempt's inputs the experiment user's, where there is one. */
  handOver(attempt: ReadyAttempt): Promise<void>;
  /** Start it; a launcher that waits no more is made anew. */
  start(attempt: ReadyAttempt, command: Command, more?: ConfinedStart): Promise<Run>;
}

export interface ConfinedStart {
  readonly launcher?: Launcher | undefined;
  /** Hears that processes of it could not be ended. */
  readonly onSurvivors?: () => void;
}

/** Processes and threads of one experiment: many more than any needs, and few enough that the machine has some left. */
const mostProcesses = (cores: number): number => 1024 + 256 * cores;

/** How experiments of this machine are started, held within their limits and ended, whatever makes their program. */
export const createConfined = (use: ConfinedSettings): Confined => {
  const { runAs, emit } = use;
  const { groups, watch } = use.confinement;
  const shells = createSpareShells({ ...use, groups });

  const launcherFor = (attempt: PreparedAttempt): Launcher => {
    const { record, grant, workspace } = attempt;
    const { cores, memoryBytes, diskBytes } = grant.amounts;
    const { shell, group } = shells.take();
    const confinement = createConfinement(watch, group, {
      memoryBytes,
      isCeiling: use.memoryLimit === 'hard',
      diskBytes,
      directory: workspace.root,
      processes: mostProcesses(cores),
      cores,
      onOverdrawn: usedBytes => {
        emit('memory-overdrawn', { askedBytes: memoryBytes, usedBytes }, record);
      },
    });
    return createLauncher(shell, confinement);
  };

  return {
    launcherFor,
    handOver: async attempt => {
      if (runAs) await handOver(attempt, runAs);
    },
    start: async (attempt, command, { launcher, onSurvivors } = {}) => {
      const run = await startProcess(runAs ? commandAs(command, runAs) : command, {
        signal: attempt.signal,
        launcher: launcher?.isWaiting ? launcher : launcherFor(attempt),
        kill: use.kill,
        graceMs: use.terminationGraceMs,
        maxDurationMs: longestRunMs(attempt),
        marker: `STUDIOML_EXPERIMENT=${markerOf(attempt)}`,
        onSurvivors: pids => {
          onSurvivors?.();
          emit('kill-incomplete', { pids: pids.join(' ') }, attempt.record);
        },
      });
      setImmediate(() => shells.refill());
      return run;
    },
  };
};
