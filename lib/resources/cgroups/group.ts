import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path/posix';
import { fieldOf, membersOf, numberOf, removed, wrote } from './files.ts';
import type { Duty, Place } from './places.ts';

/** What a group of processes may use. */
export interface GroupLimits {
  /** A ceiling; absent: none. */
  readonly memoryBytes?: number | undefined;
  /** Processes and threads. */
  readonly processes: number;
  /** Its weight against others when cores are short: however many processes it has, it counts as so many. Default: 1. */
  readonly cores?: number;
}

/** Weights of one core. Source: cgroup-v2 "cpu.weight", sched-design-CFS "cpu.shares". */
const sharesPerCore = 1024;
const weightPerCore = 100;
const mostWeight = 10_000;

/** What it used so far; absent where the machine doesn't tell. */
export interface GroupUsage {
  readonly cpuSeconds?: number | undefined;
  /** The most at any moment, file pages that it cached included. */
  readonly memoryPeakBytes?: number | undefined;
}

/** The control group of one experiment: one directory in each tree that is needed. Calls are synchronous and never throw. */
export interface ControlGroup {
  /**
   * Files that a process writes `0` to in order to join. The kernel waits for each of its processors before it lets one join: up to a
   * dozen milliseconds, where nobody has joined a group just before.
   */
  readonly joins: readonly string[];
  /** What it may use from now on; nothing limits a new one. */
  limit(limits: GroupLimits): void;
  /** Whether memory can be limited and is told. */
  readonly controlsMemory: boolean;
  /** Who is in it, dead ones left out. */
  members(): number[];
  /** SIGKILL to everything in it; nothing in it can start another meanwhile. */
  kill(): void;
  /** Memory in use now, less the file pages that would be given up at once. */
  memoryBytes(): number | undefined;
  /** Processes that the kernel killed for want of memory. */
  outOfMemoryKills(): number;
  /** How often a process could not be started for the limit. */
  refusedStarts(): number;
  usage(): GroupUsage;
  /** Whether it is gone; not while a process is in it. */
  remove(): boolean;
}

/** What the groups of every runner begin with. */
export const groupPrefix = 'studioml';

/** Whether a process is in the group of some experiment. @param text contents of /proc/PID/cgroup */
export const isInGroup = (text: string): boolean => text.includes(`/${groupPrefix}.`);

const signalAll = (pids: readonly number[]): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It is gone in the meantime.
    }
  }
};

/** v1 has no call that kills a group: what is frozen can't start another while its turn comes. */
const killFrozen = (path: string): void => {
  const state = join(path, 'freezer.state');
  wrote(state, 'FROZEN');
  signalAll(membersOf(path));
  wrote(state, 'THAWED');
};

/**
 * Make the group of one experiment below the runner's places.
 * @param name no other group there has it
 * Errors: those of mkdir.
 * Source: the kernel's admin-guide/cgroup-v2 and cgroup-v1/memory, pids, freezer-subsystem.
 */
export const createGroup = (places: readonly Place[], name: string): ControlGroup => {
  const parts = places.map(({ version, path, duties }) => ({ version, path: join(path, name), duties }));
  for (const { path } of parts) mkdirSync(path);
  const partFor = (duty: Duty) => parts.find(({ duties }) => duties.includes(duty));
  const [memory, processes, cpu, members] = [
    partFor('memory'),
    partFor('processes'),
    partFor('cpu'),
    partFor('members'),
  ];
  const memoryFile = (v1: string, v2: string) => memory && join(memory.path, memory.version === 1 ? v1 : v2);
  if (memory?.version === 2) wrote(join(memory.path, 'memory.oom.group'), 1);
  const pidsMax = processes && join(processes.path, 'pids.max');
  const share = partFor('share');

  return {
    joins: parts.map(({ path }) => join(path, 'cgroup.procs')),
    limit: ({ memoryBytes, processes: most, cores = 1 }) => {
      if (memory && memoryBytes !== undefined) {
        wrote(join(memory.path, memory.version === 1 ? 'memory.limit_in_bytes' : 'memory.max'), memoryBytes);
        // Swap would let it go on beyond its memory, at a crawl.
        if (memory.version === 1) wrote(join(memory.path, 'memory.memsw.limit_in_bytes'), memoryBytes);
        else wrote(join(memory.path, 'memory.swap.max'), 0);
      }
      if (pidsMax) wrote(pidsMax, most);
      if (share?.version === 1) wrote(join(share.path, 'cpu.shares'), Math.round(cores * sharesPerCore));
      if (share?.version === 2)
        wrote(join(share.path, 'cpu.weight'), Math.min(mostWeight, Math.round(cores * weightPerCore)));
    },
    controlsMemory: memory !== undefined,
    members: () => (members ? membersOf(members.path) : []),
    kill: () => {
      const killFile = parts.map(({ path }) => join(path, 'cgroup.kill')).find(file => existsSync(file));
      if (killFile) wrote(killFile, 1);
      else if (members) {
        if (pidsMax) wrote(pidsMax, 0);
        if (members.version === 1 && existsSync(join(members.path, 'freezer.state'))) killFrozen(members.path);
        else signalAll(membersOf(members.path));
      }
    },
    memoryBytes: () => {
      if (!memory) return undefined;
      const used = numberOf(memoryFile('memory.usage_in_bytes', 'memory.current') ?? '');
      const idle = fieldOf(
        join(memory.path, 'memory.stat'),
        memory.version === 1 ? 'total_inactive_file' : 'inactive_file',
      );
      return used === undefined ? undefined : Math.max(0, used - (idle ?? 0));
    },
    outOfMemoryKills: () => fieldOf(memoryFile('memory.oom_control', 'memory.events') ?? '', 'oom_kill') ?? 0,
    refusedStarts: () => (processes ? (fieldOf(join(processes.path, 'pids.events'), 'max') ?? 0) : 0),
    usage: () => {
      const nanoseconds = cpu?.version === 1 ? numberOf(join(cpu.path, 'cpuacct.usage')) : undefined;
      const microseconds = cpu?.version === 2 ? fieldOf(join(cpu.path, 'cpu.stat'), 'usage_usec') : undefined;
      return {
        cpuSeconds:
          nanoseconds === undefined ? (microseconds === undefined ? undefined : microseconds / 1e6) : nanoseconds / 1e9,
        memoryPeakBytes: numberOf(memoryFile('memory.max_usage_in_bytes', 'memory.peak') ?? ''),
      };
    },
    remove: () => parts.map(({ path }) => removed(path)).every(Boolean),
  };
};
