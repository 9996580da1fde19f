import { readFileSync, readlinkSync } from 'node:fs';

/**
 * What tells a process from a later one of the same pid: its start time in clock ticks since boot; undefined where it is gone.
 * Source: proc_pid_stat(5), starttime.
 */
export const startTimeOf = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
};

/** The namespace whose process ids this process sees; '0' where it can't be told. Ids of another one mean other processes. */
export const pidNamespace = (): string => {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
};
