import { createDiskWatch, type DiskWatch } from '../resources/disk-watch.ts';
import { proportionalBytes, residentBytes } from '../resources/process-memory.ts';
import type { ControlGroup } from '../resources/cgroups/group.ts';
import type { Exceeded } from '../model/outcome.ts';

/** Between two looks at everything that runs. */
const lookMs = 250;
/** Looking at processes one by one may take this share of the time. */
const scanShare = 0.02;
/** The same while the machine is short of memory, and one of them must be chosen by what it uses then. */
const verdictShare = 0.2;
/** While there is plenty, what is left on the machine is asked for only every so many looks. */
const looksWhilePlenty = 4;

/** A run to be watched. */
export interface WatchedRun {
  readonly group: ControlGroup | undefined;
  /** Its processes; asked only where there is no group that tells of memory. */
  readonly members: () => number[];
  /** Memory asked for; 0: nothing was. */
  readonly memoryBytes: number;
  /** Whether that is a ceiling. */
  readonly isCeiling: boolean;
  readonly directory: string;
  /** 0: no limit. */
  readonly diskBytes: number;
  /** Hears once that it uses more memory than it asked for. */
  readonly onOverdrawn: (usedBytes: number) => void;
  /** Hears once that it must end. */
  readonly onExceeded: (exceeded: Exceeded) => void;
}

/** A look at one run, until `end`. */
export interface RunWatch {
  /** Look no more. What the run used at most, where nobody else tells. */
  end(): Promise<{ readonly memoryPeakBytes: number; readonly diskPeakBytes: number }>;
}

export interface Watch {
  add(run: WatchedRun): RunWatch;
}

export interface WatchSettings {
  /** Memory that experiments can still have, bytes, on the machine and in the runner's own group. */
  readonly availableBytes: () => Promise<number>;
  /** With less than this available the run that is the furthest beyond what it asked for must end. */
  readonly reserveBytes: number;
}

interface State {
  readonly run: WatchedRun;
  readonly disk: DiskWatch;
  usedBytes: number;
  peakBytes: number;
  kills: number;
  scanAtMs: number;
  isOverdrawn: boolean;
  isEnding: boolean;
}

/** @param isVerdict what it uses now, and not at the last look */
const usedBy = (state: State, isVerdict = false): number => {
  const { group, members, memoryBytes } = state.run;
  const told = group?.controlsMemory ? group.memoryBytes() : undefined;
  if (told !== undefined) return told;
  const startedAtMs = performance.now();
  if (startedAtMs < state.scanAtMs && !isVerdict) return state.usedBytes;
  const pids = members();
  let bytes = residentBytes(pids);
  if (pids.length > 1 && memoryBytes > 0 && bytes > memoryBytes) bytes = proportionalBytes(pids) || bytes;
  state.scanAtMs = performance.now() + (performance.now() - startedAtMs) / scanShare;
  return bytes;
};

/**
 * One look at all that runs, again and again while anything does: memory where no control group holds it, memory of the whole
 * machine, and disk. Runs that have a group that limits them cost a few reads.
 */
export const createWatch = ({ availableBytes, reserveBytes }: WatchSettings): Watch => {
  const states = new Set<State>();
  let timer: NodeJS.Timeout | undefined;
  let looks = 0;
  let isScarce = false;
  let asking = false;
  let verdictAtMs = 0;

  const exceed = (state: State, exceeded: Exceeded) => {
    if (state.isEnding) return;
    state.isEnding = true;
    state.run.onExceeded(exceeded);
  };
  const lookAtMemory = (state: State, isVerdict = false) => {
    state.usedBytes = usedBy(state, isVerdict);
    state.peakBytes = Math.max(state.peakBytes, state.usedBytes);
  };
  const lookAt = (state: State) => {
    const { run } = state;
    lookAtMemory(state);
    const limitBytes = run.memoryBytes;
    const exceeded = { resource: 'memory', limitBytes, usedBytes: state.peakBytes } as const;
    const kills = run.group?.outOfMemoryKills() ?? 0;
    if (kills > state.kills) {
      // It was at its ceiling then, whatever the last look saw of it.
      const usedBytes = run.isCeiling ? Math.max(limitBytes, state.peakBytes) : state.peakBytes;
      exceed(state, { ...exceeded, usedBytes, because: run.isCeiling ? 'ceiling' : 'shortage' });
    }
    state.kills = kills;
    if (limitBytes > 0 && state.usedBytes > limitBytes) {
      if (run.isCeiling && !run.group?.controlsMemory) exceed(state, { ...exceeded, because: 'ceiling' });
      if (!state.isOverdrawn) run.onOverdrawn(state.usedBytes);
      state.isOverdrawn = true;
    }
    void state.disk.look();
  };
  /** One at a time: what it frees may be enough. */
  const endFurthestBeyond = () => {
    const startedAtMs = performance.now();
    if ([...states].some(state => state.isEnding) || startedAtMs < verdictAtMs) return;
    for (const state of states) lookAtMemory(state, true);
    verdictAtMs = performance.now() + (performance.now() - startedAtMs) / verdictShare;
    const beyond = (state: State) => state.usedBytes - state.run.memoryBytes;
    const [furthest] = [...states].filter(state => beyond(state) > 0).sort((a, b) => beyond(b) - beyond(a));
    if (!furthest) return;
    const { memoryBytes: limitBytes } = furthest.run;
    exceed(furthest, { resource: 'memory', limitBytes, usedBytes: furthest.usedBytes, because: 'shortage' });
  };
  const lookAtMachine = async () => {
    if (asking || (!isScarce && looks % looksWhilePlenty !== 0)) return;
    asking = true;
    try {
      const bytes = await availableBytes();
      isScarce = bytes < 4 * reserveBytes;
      if (bytes < reserveBytes) endFurthestBeyond();
    } catch {
      // Not told: the kernel decides for itself, and takes experiments before the runner.
    } finally {
      asking = false;
    }
  };
  const look = () => {
    looks += 1;
    for (const state of states) lookAt(state);
    void lookAtMachine();
  };

  return {
    add: run => {
      const state: State = {
        run,
        disk: createDiskWatch(run.directory, run.diskBytes, usedBytes => {
          exceed(state, { resource: 'disk', limitBytes: run.diskBytes, usedBytes, because: 'ceiling' });
        }),
        usedBytes: 0,
        peakBytes: 0,
        kills: 0,
        scanAtMs: 0,
        isOverdrawn: false,
        isEnding: false,
      };
      states.add(state);
      timer ??= setInterval(look, lookMs);
      return {
        end: async () => {
          states.delete(state);
          if (states.size === 0) {
            clearInterval(timer);
            timer = undefined;
          }
          await state.disk.finish();
          return { memoryPeakBytes: state.peakBytes, diskPeakBytes: state.disk.peakBytes };
        },
      };
    },
  };
};
