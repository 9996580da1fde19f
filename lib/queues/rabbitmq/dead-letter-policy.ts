import { ask } from './management.ts';

/** Where a queue's own arguments or its policy send dead letters. */
export interface DeadLetterPolicy {
  readonly exchange: string;
  /** Absent: the message's own. */
  readonly routingKey?: string;
}

interface QueueInfo {
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly effective_policy_definition?: Readonly<Record<string, unknown>>;
}

/** Ask the management API. A queue's arguments win over its policy, as in the broker. Not known: none. */
export const findDeadLetterPolicy =
  (managementUrl: string | undefined, vhost: string, name: string) =>
  async (signal: AbortSignal): Promise<DeadLetterPolicy | undefined> => {
    if (!managementUrl) return undefined;
    try {
      const path = `/api/queues/${encodeURIComponent(vhost)}/${encodeURIComponent(name)}`;
      const info = ((await ask(managementUrl, path, signal)) ?? {}) as QueueInfo;
      const find = (setting: string) => info.arguments?.[`x-${setting}`] ?? info.effective_policy_definition?.[setting];
      const [exchange, routingKey] = [find('dead-letter-exchange'), find('dead-letter-routing-key')];
      if (typeof exchange !== 'string') return undefined;
      return { exchange, ...(typeof routingKey === 'string' ? { routingKey } : {}) };
    } catch {
      return undefined;
    }
  };
