import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tried } from '../flow/tried.ts';
import { textOf } from '../resources/cgroups/files.ts';
import { isInGroup, type ControlGroup } from '../resources/cgroups/group.ts';
import { statusOf, type ProcessStatus } from '../resources/process-status.ts';

/** Processes that a machine can start in a millisecond, generously. */
const startsPerMs = 20;
const kernelThreads = 2;

/** A run that was shorter than this can't have seen the kernel go once around all process ids. */
const shortestRoundMs = (): number => Number(textOf('/proc/sys/kernel/pid_max') || '32768') / startsPerMs;

/** So many ids are looked at one by one: beyond that a list of all processes costs less. */
const mostIds = 500;

/** Undefined for what is not there or not ours. */
const environmentOf = (pid: number): string | undefined =>
  tried(() => readFileSync(`/proc/${String(pid)}/environ`, 'utf8'));

/** What /proc tells about process ids. */
interface Ids {
  all(): readonly number[];
  has(pid: number): boolean;
}
const idsInUse: Ids = {
  all: () => readdirSync('/proc').map(Number).filter(Number.isInteger),
  has: pid => existsSync(`/proc/${String(pid)}`),
};

/**
 * Processes that were started after `first`; undefined where that can't be told. The kernel counts upwards, and begins again at the
 * bottom when it comes to the top.
 * @param loadavg contents of /proc/loadavg, whose last field is the newest id
 */
export const startedAfter = (first: number, loadavg: string, ids = idsInUse): readonly number[] | undefined => {
  const newest = Number(loadavg.trim().split(' ')[4]);
  if (!(newest > 0)) return undefined;
  if (newest < first) return ids.all().filter(pid => pid >= first || pid <= newest);
  if (newest - first > mostIds) return ids.all().filter(pid => pid >= first && pid <= newest);
  return Array.from({ length: newest - first + 1 }, (_, n) => first + n).filter(pid => ids.has(pid));
};

/** The members of one run: what its leader started, however it hid. */
export interface ProcessTree {
  /** Process ids that are not gone. Costs a look at each process of the machine. */
  members(): number[];
  /** The same at the leader's end, when only what was started since needs a look: 0.1 ms where nothing is left. */
  leftovers(ranMs: number): number[];
  /** Send a signal to all members. */
  send(signal: NodeJS.Signals): void;
}

/**
 * @param leader process id of a session leader
 * @param marker `NAME=value` in the environment of the leader, and so of what it starts
 * @param group the control group that the leader joined: whoever is in it belongs to it. Who left it (root can) is found by the
 * rest.
 * @param starter process id of what started the leader
 */
export const createProcessTree = (
  leader: number,
  marker: string,
  group?: Pick<ControlGroup, 'members' | 'kill'>,
  starter: number = process.pid,
): ProcessTree => {
  const isMarked = (pid: number): boolean | undefined => {
    // Reading an environment waits for a process that forks, which may itself wait long for its turn: those that a group holds
    // are its group's to find.
    if (group && isInGroup(textOf(`/proc/${String(pid)}/cgroup`))) return false;
    const environ = environmentOf(pid);
    // Empty: it is in the middle of an exec.
    return environ === '' ? undefined : `\0${environ ?? ''}`.includes(`\0${marker}\0`);
  };

  const ours = new Set([process.pid, starter]);
  /** Nothing that it started is older than itself. */
  const bornAt = statusOf(leader)?.started ?? 0;
  /** Kernel threads have no environment; nor has a shell that stands by, or who started that. */
  const isStranger = ({ parent }: ProcessStatus): boolean =>
    parent === kernelThreads || parent === 0 || (ours.has(parent) && parent !== 1);

  /** Who was seen to belong to it: a child whose parent has gone in the meantime still does. */
  const known = new Map<number, number>();

  const scan = (candidates: readonly number[]): { members: ProcessStatus[]; unsure: boolean } => {
    const members = new Map<number, ProcessStatus>();
    const others: ProcessStatus[] = [];
    let unsure = false;
    for (const pid of candidates) {
      if (pid === process.pid) continue;
      const status = statusOf(pid);
      if (!status || status.started < bornAt) continue;
      const marked =
        status.session === leader || status.group === leader || known.get(pid) === status.started || isMarked(pid);
      if (marked) members.set(pid, status);
      else others.push(status);
      unsure ||= marked === undefined && !isStranger(status);
    }
    // What left both session and environment behind is still somebody's child.
    for (let before = -1; before !== members.size;) {
      before = members.size;
      for (const one of others) if (members.has(one.parent)) members.set(one.pid, one);
    }
    for (const { pid, started } of members.values()) known.set(pid, started);
    return { members: [...members.values()], unsure };
  };

  const idsOf = (candidates: () => readonly number[]): number[] => {
    // Who left the group is looked for when it is empty: to read the environment of one that forks is to wait for it, and a
    // thousand that fork get little of the machine.
    const inGroup = group?.members() ?? [];
    if (inGroup.length > 0) return inGroup;
    let { members, unsure } = scan(candidates());
    for (let again = 0; unsure && members.length === 0 && again < 3; again += 1)
      ({ members, unsure } = scan(candidates()));
    return members.map(({ pid }) => pid);
  };

  return {
    members: () => idsOf(() => idsInUse.all()),
    leftovers: ranMs => {
      const isRecent = ranMs < shortestRoundMs();
      return idsOf(() => (isRecent ? startedAfter(leader, textOf('/proc/loadavg')) : undefined) ?? idsInUse.all());
    },
    send: signal => {
      if (signal === 'SIGKILL') group?.kill();
      const inGroup = (group?.members() ?? []).flatMap(pid => statusOf(pid) ?? []);
      const members = inGroup.length > 0 ? inGroup : scan(idsInUse.all()).members;
      const kill = (pid: number) => {
        try {
          process.kill(pid, signal);
        } catch {
          // It is gone in the meantime, which is what was wanted; what survives is seen by the next look.
        }
      };
      // The group in one call first: nothing in it can start another before its turn comes.
      if (members.some(one => one.group === leader)) kill(-leader);
      for (const { pid, group: own } of members) if (own !== leader) kill(pid);
    },
  };
};
