import { accessSync, constants } from 'node:fs';
import type { Command } from '../model/attempt.ts';
import type { Exceeded, Usage } from '../model/outcome.ts';
import type { ControlGroup } from '../resources/cgroups/group.ts';
import type { ControlGroups } from '../resources/cgroups/control-groups.ts';
import { sleep } from '../flow/wait.ts';
import { textOf } from '../resources/cgroups/files.ts';
import type { RunWatch, Watch } from './watch.ts';

/** What an experiment may use, and who hears of it. */
export interface Limits {
  /** Of the group; no other run has it. */
  readonly name: string;
  /** Asked for; 0: nothing was. */
  readonly memoryBytes: number;
  /** Whether that is a ceiling (MEMORY_LIMIT). */
  readonly isCeiling: boolean;
  readonly diskBytes: number;
  /** Whose size counts against `diskBytes`. */
  readonly directory: string;
  readonly processes: number;
  /** Granted: its weight when cores are short. */
  readonly cores?: number;
  readonly onOverdrawn: (usedBytes: number) => void;
}

/** What holds one run within its limits. */
export interface Confinement {
  readonly group: ControlGroup | undefined;
  /** The same program, which joins the group before it becomes what it is. */
  confined(command: Command): Command;
  /** @param onExceeded hears once that the run must end */
  watch(members: () => number[], onExceeded: (exceeded: Exceeded) => void): void;
  /** Nothing of the run is left: what it used; the group goes. */
  end(): Promise<{ readonly usage: Usage; readonly refusedStarts: number; readonly outOfMemory?: Exceeded }>;
}

export interface ConfinementSettings {
  readonly groups: ControlGroups;
  readonly watch: Watch;
}

/** When memory is short the kernel looks for the highest score first: an experiment's is above the runner's. */
const scoreAbove = 500;
const highestScore = 1000;
const scoreOfExperiments = (): number => {
  const own = Number(textOf('/proc/self/oom_score_adj').trim() || '0');
  return Math.min(highestScore, Math.max(0, own) + scoreAbove);
};

/**
 * One constant text; everything else comes as arguments. The shell takes its score, joins each group, and becomes the program
 * without starting another process.
 */
const joinAndBecome =
  'echo "$1" > /proc/self/oom_score_adj; shift; while [ "$1" != -- ]; do echo 0 > "$1"; shift; done 2> /dev/null; shift; exec "$@"';

/** Shells drop variables whose names they could not write themselves. */
const isShellName = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);

const removePatienceMs = 1000;

/** Make what holds one run: a control group where one can be had, and the watch. */
export const createConfinement = ({ groups, watch }: ConfinementSettings, limits: Limits): Confinement => {
  const { memoryBytes, isCeiling } = limits;
  const ceilingBytes = isCeiling && memoryBytes > 0 ? memoryBytes : undefined;
  const group = groups.create(limits.name, {
    memoryBytes: ceilingBytes,
    processes: limits.processes,
    ...(limits.cores === undefined ? {} : { cores: limits.cores }),
  });
  let watched: RunWatch | undefined;

  const remove = async () => {
    for (let pauseMs = 1; group && !group.remove() && pauseMs < removePatienceMs; pauseMs *= 2) await sleep(pauseMs);
  };
  return {
    group,
    confined: ({ file, args, cwd, env }) => {
      // The shell would tell of it in its own words, and with an exit code that programs use as well.
      accessSync(file, constants.X_OK);
      const odd = Object.entries(env).filter(([name]) => !isShellName(name));
      const program =
        odd.length === 0 ? [file] : ['/usr/bin/env', ...odd.map(([name, value]) => `${name}=${value}`), file];
      const score = String(scoreOfExperiments());
      return {
        file: '/bin/sh',
        args: ['-c', joinAndBecome, 'sh', score, ...(group?.joins ?? []), '--', ...program, ...args],
        cwd,
        env,
      };
    },
    watch: (members, onExceeded) => {
      const { directory, diskBytes, onOverdrawn } = limits;
      const run = {
        group,
        members,
        memoryBytes,
        isCeiling: ceilingBytes !== undefined,
        directory,
        diskBytes,
        onOverdrawn,
        onExceeded,
      };
      watched = watch.add(run);
    },
    end: async () => {
      const { cpuSeconds, memoryPeakBytes } = group?.usage() ?? {};
      const kills = group?.outOfMemoryKills() ?? 0;
      const refusedStarts = group?.refusedStarts() ?? 0;
      const [seen] = await Promise.all([watched?.end(), remove()]);
      // Whoever was killed at a ceiling had reached it; the kernel's own mark may lag far behind that.
      const reached = kills > 0 ? (ceilingBytes ?? 0) : 0;
      const peakBytes = Math.max(memoryPeakBytes ?? 0, seen?.memoryPeakBytes ?? 0, reached);
      const usage: Usage = {
        ...(cpuSeconds === undefined ? {} : { cpuSeconds }),
        ...(peakBytes > 0 ? { memoryBytes: peakBytes } : {}),
        ...(seen === undefined ? {} : { diskBytes: seen.diskPeakBytes }),
      };
      const because = ceilingBytes === undefined ? 'shortage' : 'ceiling';
      return {
        usage,
        refusedStarts,
        ...(kills > 0 && {
          outOfMemory: { resource: 'memory', limitBytes: memoryBytes, usedBytes: peakBytes, because },
        }),
      };
    },
  };
};
