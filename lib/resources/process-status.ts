import { textOf } from './cgroups/files.ts';

/** A process that still runs, in the words of /proc/PID/stat. */
export interface ProcessStatus {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot: tells it from a later process of the same id. */
  readonly started: number;
}

/** What /proc/PID/stat tells; undefined for what is dead already (zombies too). Source: proc_pid_stat(5). */
export const parseStatus = (text: string): ProcessStatus | undefined => {
  // The second field is the program's name in brackets, and a name may hold blanks and brackets.
  const [state, ...numbers] = text.slice(text.lastIndexOf(')') + 2).split(' ', 20);
  const [parent, group, session] = numbers.map(Number);
  const started = Number(numbers[18] ?? 0);
  const pid = Number.parseInt(text, 10);
  if (state === 'Z' || state === 'X' || parent === undefined || group === undefined || session === undefined)
    return undefined;
  return { pid, parent, group, session, started };
};

/** The process of this id; undefined where there is none that runs. */
export const statusOf = (pid: number): ProcessStatus | undefined => parseStatus(textOf(`/proc/${String(pid)}/stat`));
