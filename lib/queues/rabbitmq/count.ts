import type { QueueCounts } from '../queue.ts';
import { ask } from './management.ts';

interface Row {
  readonly name?: unknown;
  readonly messages?: unknown;
  readonly messages_ready?: unknown;
}

/** What the names of lease queues begin with. */
const leasePrefix = 'studioml.lease.';
const count = (value: unknown): number => (typeof value === 'number' ? value : 0);

/**
 * Messages that wait on these queues, and those that all runners hold in their lease queues: one call of the management API,
 * whose numbers are a few seconds old.
 * Errors: what the management API says.
 */
export const countByManagement = async (
  { managementUrl, vhost }: { readonly managementUrl: string; readonly vhost: string },
  names: readonly string[],
  signal: AbortSignal,
): Promise<QueueCounts> => {
  const path = `/api/queues/${encodeURIComponent(vhost)}?columns=name,messages,messages_ready`;
  const rows = ((await ask(managementUrl, path, signal)) ?? []) as readonly Row[];
  const wanted = new Set(names);
  const found = rows.filter(({ name }) => typeof name === 'string' && wanted.has(name));
  const leases = rows.filter(({ name }) => typeof name === 'string' && name.startsWith(leasePrefix));
  return {
    waiting: new Map(found.map(({ name, messages_ready: ready }) => [String(name), count(ready)])),
    leased: leases.reduce((sum, { messages }) => sum + count(messages), 0),
  };
};
