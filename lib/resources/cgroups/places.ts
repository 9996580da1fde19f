import { existsSync, mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path/posix';
import { membersOf, removed, textOf, wrote } from './files.ts';
import { groupPrefix } from './group.ts';
import type { Hierarchy } from './hierarchies.ts';

export type Duty = 'memory' | 'processes' | 'share' | 'cpu' | 'members';

/** A directory of the runner's own in one tree, and what it is good for. Experiments get a group each below it. */
export interface Place {
  readonly version: 1 | 2;
  readonly path: string;
  readonly duties: readonly Duty[];
}

const wordsOf = (path: string): string[] => textOf(path).trim().split(/\s+/).filter(Boolean);

const ofItself = '.itself';

/** Whether this is where a runner moved, with whoever lived in its group: see handOn. It may outlive that runner. */
export const isOfItself = (path: string): boolean =>
  basename(path).startsWith(`${groupPrefix}.`) && path.endsWith(ofItself);

/** The group that a runner works in. Started again by who was moved with the one before it, it is where that one moved. */
export const groupOf = (own: string): string => (isOfItself(own) ? dirname(own) : own);

/**
 * Hand controllers of a version 2 group on to the groups in it. A group that does so holds no processes itself, unless it is
 * the root of all: so the runner moves into one below, but only where nobody else lives in its group, or where the group is all
 * that its container sees.
 * @returns the controllers that groups in it have
 * Source: the kernel's admin-guide/cgroup-v2, "No Internal Process Constraint", "Delegation".
 */
export const handOn = (own: string, wanted: readonly string[], runner: string, isTop: boolean): readonly string[] => {
  const control = join(own, 'cgroup.subtree_control');
  const handed = () => wordsOf(control).filter(name => wanted.includes(name));
  const offered = wordsOf(join(own, 'cgroup.controllers')).filter(name => wanted.includes(name));
  const missing = offered.filter(name => !handed().includes(name)).map(name => `+${name}`);
  if (missing.length === 0 || wrote(control, missing.join(' '))) return handed();
  const living = membersOf(own);
  if (!isTop && living.some(pid => pid !== process.pid)) return handed();
  const leaf = join(own, `${runner}${ofItself}`);
  try {
    mkdirSync(leaf, { recursive: true });
  } catch {
    return handed();
  }
  const home = join(leaf, 'cgroup.procs');
  if (living.every(pid => wrote(home, pid)) && wrote(control, missing.join(' '))) return handed();
  for (const pid of living) wrote(join(own, 'cgroup.procs'), pid);
  removed(leaf);
  return handed();
};

const controllerOf = { memory: 'memory', processes: 'pids', share: 'cpu', cpu: 'cpuacct', members: 'freezer' } as const;

/**
 * Directories of this runner, as few as do for everything that can be had: version 2 first, version 1 for what that lacks.
 * Where nothing can be written there is none.
 * @param runner a name that no other runner has
 */
export const openPlaces = (hierarchies: readonly Hierarchy[], runner: string): Place[] => {
  const places: Place[] = [];
  const has = (duty: Duty) => places.some(place => place.duties.includes(duty));
  const open = (path: string): boolean => {
    try {
      mkdirSync(path);
      return true;
    } catch {
      return false;
    }
  };
  for (const { version, own } of hierarchies) {
    if (version !== 2) continue;
    const isTop = own === '/sys/fs/cgroup';
    const handed = handOn(own, ['memory', 'pids', 'cpu'], runner, isTop);
    const path = join(own, runner);
    if (!open(path)) continue;
    const here = handOn(path, handed, runner, false);
    const duties: Duty[] = [
      ...(here.includes('memory') ? (['memory'] as const) : []),
      ...(here.includes('pids') ? (['processes'] as const) : []),
      ...(here.includes('cpu') ? (['share'] as const) : []),
      ...(existsSync(join(path, 'cpu.stat')) ? (['cpu'] as const) : []),
      'members',
    ];
    places.push({ version, path, duties: duties.filter(duty => !has(duty)) });
  }
  for (const duty of ['memory', 'processes', 'share', 'cpu', 'members'] as const) {
    if (has(duty)) continue;
    const tree = hierarchies.find(one => one.version === 1 && one.controllers.includes(controllerOf[duty]));
    if (!tree) continue;
    const path = join(tree.own, runner);
    const known = places.findIndex(place => place.path === path);
    const place = places[known];
    if (place) places[known] = { ...place, duties: [...place.duties, duty] };
    else if (open(path)) places.push({ version: 1, path, duties: [duty] });
  }
  // Any tree tells who is in it.
  const [first] = places;
  if (first && !has('members')) places[0] = { ...first, duties: [...first.duties, 'members'] };
  return places;
};
