import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { statusOf } from './process-status.ts';

/** What tells a process from a later one of the same id; '' where it is gone. */
const startTimeOf = (pid: number): string => String(statusOf(pid)?.started ?? '');

/** The namespace whose process ids this process sees; '0' where it can't be told. Ids of another one mean other processes. */
const pidNamespace = (): string => {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
};

const place = `${hostname()}~${pidNamespace()}`;

/** This process by a name that no other has, fit for a file: host, namespace, process id, start time. */
export const ownProcess = `${place}~${String(process.pid)}~${startTimeOf(process.pid) || '0'}`;

/** Who holds something for others to see says so often that it lives, for those who can't see its process, ms. */
export const beatMs = 5000;
/** What can't be seen and has said nothing for so long lives no more, ms. */
export const silentMs = 60_000;

/** Nothing runs longer: what is this old and whose owner can't be looked at is nobody's. */
export const longestRunMs = 100 * 3_600_000;

/**
 * Whether the process lives that made something: one that was killed leaves its marks, and they count no more. A process of another
 * machine or namespace can't be seen from here: it counts as long as what it made was changed within `unseenMs`.
 * @param name begins with what `ownProcess` was there; more may follow after a `~`
 */
export const isOfLiving = (name: string, changedAtMs: number, unseenMs = longestRunMs): boolean => {
  const [host = '', space = '', pid = '', started = ''] = name.split('~');
  if (`${host}~${space}` !== place) return Date.now() - changedAtMs < unseenMs;
  return started !== '' && startTimeOf(Number(pid)) === started;
};
