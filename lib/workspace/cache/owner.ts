import { startTimeOf } from '../../resources/process-identity.ts';

/** Names a process for as long as this machine runs: its id and when it started. */
export const ownOwner = `${String(process.pid)}-${startTimeOf(process.pid) ?? ''}`;

/** Whether the process still runs that a name begins with. */
export const isAlive = (name: string): boolean => {
  const [pid = '', started = ''] = name.split('-');
  return started !== '' && startTimeOf(Number(pid)) === started;
};
