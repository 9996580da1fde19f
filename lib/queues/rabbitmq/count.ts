import type { QueueCounts } from '../queue.ts';
import { locksOfLock, runLocksOf } from './lease/run-locks.ts';
import { ask } from './management.ts';

interface Row {
  readonly name?: unknown;
  readonly messages?: unknown;
  readonly messages_ready?: unknown;
}

/** What the names of lease queues begin with. */
const leasePrefix = 'studioml.lease.';
const count = (value: unknown): number => (typeof value === 'number' ? value : 0);
const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

/** Run locks that are held, by what those of one queue begin with. */
const countLocks = (names: readonly string[]): ReadonlyMap<string, number> => {
  const counted = new Map<string, number>();
  for (const name of names) {
    const of = locksOfLock(name);
    if (of !== undefined) counted.set(of, (counted.get(of) ?? 0) + 1);
  }
  return counted;
};

/**
 * Messages that wait on these queues, and those that all runners hold: a lease queue serves all work queues of its runner, but each
 * experiment that runs has a run lock, whose name tells of which queue it is. Copies without a lock are of a run that has just
 * begun, or a dead runner's, on their way home, to whichever queue. One call of the management API; locks are as they stand, its
 * numbers are a few seconds old.
 * Errors: what the management API says.
 */
export const countByManagement = async (
  { managementUrl, vhost }: { readonly managementUrl: string; readonly vhost: string },
  names: readonly string[],
  signal: AbortSignal,
): Promise<QueueCounts> => {
  const path = `/api/queues/${encodeURIComponent(vhost)}?columns=name,messages,messages_ready`;
  const answer = ((await ask(managementUrl, path, signal)) ?? []) as readonly Row[];
  const rows = answer.flatMap(row => (typeof row.name === 'string' ? [{ ...row, name: row.name }] : []));
  const wanted = new Set(names);
  const found = rows.filter(({ name }) => wanted.has(name));
  const copies = sum(rows.filter(({ name }) => name.startsWith(leasePrefix)).map(({ messages }) => count(messages)));
  const locks = countLocks(rows.map(({ name }) => name));
  const leasedBy = new Map(names.map(name => [name, locks.get(runLocksOf(name)) ?? 0]));
  const without = Math.max(0, copies - sum([...locks.values()]));
  return {
    waiting: new Map(found.map(({ name, messages_ready: ready }) => [name, count(ready)])),
    leasedBy,
    leased: sum([...leasedBy.values()]) + without,
  };
};
