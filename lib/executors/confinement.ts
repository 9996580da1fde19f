import type { Exceeded, Usage } from '../model/outcome.ts';
import type { ControlGroup } from '../resources/cgroups/group.ts';
import { sleep } from '../flow/wait.ts';
import type { RunWatch, Watch } from './watch.ts';

/** What an experiment may use, and who hears of it. */
export interface Limits {
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
  /** @param onExceeded hears once that the run must end */
  watch(members: () => number[], onExceeded: (exceeded: Exceeded) => void): void;
  /** Nothing of the run is left: what it used; the group goes. */
  end(): Promise<{ readonly usage: Usage; readonly refusedStarts: number; readonly outOfMemory?: Exceeded }>;
}

const removePatienceMs = 1000;

/**
 * Make what holds one run: its control group and the watch.
 * @param group undefined: none could be had
 */
export const createConfinement = (watch: Watch, group: ControlGroup | undefined, limits: Limits): Confinement => {
  const { memoryBytes, isCeiling } = limits;
  const ceilingBytes = isCeiling && memoryBytes > 0 ? memoryBytes : undefined;
  group?.limit({
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
