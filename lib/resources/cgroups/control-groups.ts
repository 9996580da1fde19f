import { basename, dirname, join } from 'node:path/posix';
import { sleep } from '../../flow/wait.ts';
import { run } from '../child-process.ts';
import { isOfLiving, ownProcess } from '../process-identity.ts';
import { childrenOf, membersOf, removed, textOf, wrote } from './files.ts';
import { createGroup, groupPrefix, type ControlGroup } from './group.ts';
import { hierarchiesOf } from './hierarchies.ts';
import { groupOf, isOfItself, openPlaces, type Duty, type Place } from './places.ts';

/** The control groups of one runner. */
export interface ControlGroups {
  /** What is done by which version; a duty that is not there is watched instead. */
  readonly enforced: Readonly<Partial<Record<Duty, 1 | 2>>>;
  /** Processes of runners that died, ended at the start. */
  readonly endedLeftovers: number;
  /** A group for one experiment; undefined where none can be had. */
  create(): ControlGroup | undefined;
  /** Let go of the runner's own groups. What still stands by in one is ended. */
  close(): Promise<void>;
}

let opened = 0;
/** A runner by its process: no other has the same, and whether it lives can be told. */
const ownName = (): string => `${groupPrefix}.${ownProcess}~${String(++opened)}`;

/** Whether a group's name is that of a runner that is seen to live no more. */
const isOfDeadRunner = (name: string): boolean =>
  name.startsWith(`${groupPrefix}.`) && !isOfLiving(name.slice(groupPrefix.length + 1), Date.now());

/** End what is in groups of runners, and remove them; the processes that were in them. What can't be removed yet waits for the next start. */
const removeGroups = async (left: readonly string[]): Promise<ReadonlySet<number>> => {
  const ended = new Set<number>();
  for (let again = 0; again < 20 && left.some(path => !removed(path)); again += 1) {
    for (const path of left) {
      // Frozen ones would wait for ever with the signal in hand.
      for (const group of childrenOf(path)) wrote(join(group, 'freezer.state'), 'THAWED');
      for (const pid of membersOf(path)) {
        ended.add(pid);
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It is gone in the meantime.
        }
      }
    }
    await sleep(10);
  }
  return ended;
};

/** The same for runners that died. */
const removeLeftovers = async (parents: readonly string[]): Promise<number> => {
  const dead = parents.flatMap(childrenOf).filter(path => isOfDeadRunner(basename(path)));
  // Who lives where a runner moved itself is none of its experiments.
  for (const path of dead.filter(isOfItself)) removed(path);
  return (await removeGroups(dead.filter(path => !isOfItself(path)))).size;
};

/** Whether a process can join: permissions of files don't tell, for it takes those of the groups above as well. */
const canJoin = async (places: readonly Place[]): Promise<boolean> => {
  const script = 'for file; do echo 0 > "$file" || exit 1; done';
  const files = places.map(({ path }) => join(path, 'probe', 'cgroup.procs'));
  try {
    const probe = createGroup(places, 'probe');
    await run('/bin/sh', ['-c', script, 'sh', ...files]);
    return probe.remove();
  } catch {
    return false;
  } finally {
    for (const file of files) removed(dirname(file));
  }
};

/** No groups: everything is watched. */
export const noControlGroups: ControlGroups = {
  enforced: {},
  endedLeftovers: 0,
  create: () => undefined,
  close: () => Promise.resolve(),
};

/**
 * Open the control groups of this runner, after what dead runners of this machine left in theirs is ended. Where no group can be
 * made or joined there are none.
 * @param endLeftovers false: only to look what there is
 */
export const openControlGroups = async ({ endLeftovers = true } = {}): Promise<ControlGroups> => {
  const seen = hierarchiesOf(textOf('/proc/self/mountinfo'), textOf('/proc/self/cgroup'));
  const hierarchies = seen.map(one => ({ ...one, own: groupOf(one.own) }));
  const parents = [...new Set(hierarchies.map(({ own }) => own))];
  const endedLeftovers = endLeftovers ? await removeLeftovers(parents) : 0;
  const places = openPlaces(hierarchies, ownName());
  const close = async () => {
    await removeGroups(places.map(({ path }) => path));
  };
  if (places.length === 0) return { ...noControlGroups, endedLeftovers };
  if (!(await canJoin(places))) {
    await close();
    return { ...noControlGroups, endedLeftovers };
  }
  let created = 0;
  return {
    enforced: Object.fromEntries(places.flatMap(({ version, duties }) => duties.map(duty => [duty, version]))),
    endedLeftovers,
    create: () => {
      try {
        return createGroup(places, String(created++));
      } catch {
        return undefined;
      }
    },
    close,
  };
};

/** What is not left to the kernel for want of a control group, in words; undefined where everything is. */
export const shortcomings = ({ enforced }: Pick<ControlGroups, 'enforced'>): string | undefined => {
  const words = [
    ...(enforced.memory ? [] : ['memory is watched']),
    ...(enforced.processes ? [] : ['the number of processes has no limit']),
  ];
  return words.length === 0 ? undefined : `no control group can be had: ${words.join(', ')}`;
};
