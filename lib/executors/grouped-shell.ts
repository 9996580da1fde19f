import { textOf } from '../resources/cgroups/files.ts';
import type { ControlGroups } from '../resources/cgroups/control-groups.ts';
import type { ControlGroup } from '../resources/cgroups/group.ts';
import { confineScript } from './launch-script.ts';
import type { Shell } from './shells.ts';

/** A shell in a control group of its own, where one can be had. */
export interface GroupedShell {
  readonly shell: Shell;
  readonly group: ControlGroup | undefined;
}

/** When memory is short the kernel looks for the highest score first: an experiment's is above the runner's. */
const scoreAbove = 500;
const highestScore = 1000;
const scoreOfExperiments = (): number => {
  const own = Number(textOf('/proc/self/oom_score_adj').trim() || '0');
  return Math.min(highestScore, Math.max(0, own) + scoreAbove);
};

/** Let a shell join a new group: what it becomes is in it from its first instruction. */
export const inGroup = (shell: Shell, groups: ControlGroups): GroupedShell => {
  const group = groups.create();
  shell.stdin.write(confineScript(scoreOfExperiments(), group?.joins ?? []));
  return { shell, group };
};
