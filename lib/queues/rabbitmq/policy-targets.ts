import { ask } from './management.ts';

/** What the management API tells of a queue. */
interface QueueInfo {
  readonly name?: unknown;
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly effective_policy_definition?: Readonly<Record<string, unknown>> | null;
}
interface BindingInfo {
  readonly destination?: unknown;
  readonly destination_type?: unknown;
  readonly routing_key?: unknown;
}

export interface ManagementSettings {
  readonly managementUrl: string;
  readonly vhost: string;
}

const setting = (info: QueueInfo, name: string): string | undefined => {
  const value = info.arguments?.[`x-${name}`] ?? info.effective_policy_definition?.[name];
  return typeof value === 'string' ? value : undefined;
};

/** Whether a key of AMQP's topic exchanges (`*` one word, `#` any number) matches. */
export const topicMatches = (pattern: string, key: string): boolean => {
  const match = (words: readonly string[], rest: readonly string[]): boolean => {
    const [word, ...next] = words;
    if (word === undefined) return rest.length === 0;
    if (word === '#') return match(next, rest) || (rest.length > 0 && match(words, rest.slice(1)));
    return rest.length > 0 && (word === '*' || word === rest[0]) && match(next, rest.slice(1));
  };
  return match(pattern.split('.'), key.split('.'));
};

const matches = (type: unknown, pattern: string, key: string): boolean => {
  if (type === 'direct') return pattern === key;
  return type === 'topic' ? topicMatches(pattern, key) : true;
};

/**
 * The queues that a queue's own dead-letter policy leads to: by its arguments or its policy to an exchange, from there by the bindings
 * to queues. What goes on from there, over further exchanges, is out of reach.
 */
export const policyTargets = async (
  { managementUrl, vhost }: ManagementSettings,
  queue: string,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  const at = encodeURIComponent(vhost);
  const info = (await ask(managementUrl, `/api/queues/${at}/${encodeURIComponent(queue)}`, signal)) as
    QueueInfo | undefined;
  const exchange = info && setting(info, 'dead-letter-exchange');
  if (exchange === undefined) return [];
  const ownKey = setting(info ?? {}, 'dead-letter-routing-key');
  // A letter keeps its key unless the policy says another: the client's, or that of a copy published to the queue itself.
  const keys = ownKey === undefined ? [`StudioML.${queue}`, queue] : [ownKey];
  if (exchange === '') return keys;
  const path = `/api/exchanges/${at}/${encodeURIComponent(exchange)}`;
  const { type } = ((await ask(managementUrl, path, signal)) ?? {}) as { readonly type?: unknown };
  const bindings = ((await ask(managementUrl, `${path}/bindings/source`, signal)) ?? []) as readonly BindingInfo[];
  const targets = bindings.flatMap(({ destination, destination_type: kind, routing_key: pattern }) =>
    typeof destination === 'string' && kind === 'queue' && keys.some(key => matches(type, String(pattern), key))
      ? [destination]
      : [],
  );
  return [...new Set(targets)];
};

/** Whether a queue is replicated, and so counts the returns of its messages. */
export const isQuorum = async (
  { managementUrl, vhost }: ManagementSettings,
  queue: string,
  signal: AbortSignal,
): Promise<boolean> => {
  const path = `/api/queues/${encodeURIComponent(vhost)}/${encodeURIComponent(queue)}?columns=type,arguments`;
  const { type, arguments: given } = ((await ask(managementUrl, path, signal)) ?? {}) as {
    readonly type?: unknown;
    readonly arguments?: Readonly<Record<string, unknown>>;
  };
  return (type ?? given?.['x-queue-type']) === 'quorum';
};

/** Every queue of the vhost, and whether it has a dead-letter policy of its own. */
export const listQueues = async (
  { managementUrl, vhost }: ManagementSettings,
  signal: AbortSignal,
): Promise<readonly { readonly name: string; readonly hasPolicy: boolean }[]> => {
  const path = `/api/queues/${encodeURIComponent(vhost)}?columns=name,arguments,effective_policy_definition`;
  const infos = ((await ask(managementUrl, path, signal)) ?? []) as readonly QueueInfo[];
  return infos.map(info => ({
    name: String(info.name),
    hasPolicy: setting(info, 'dead-letter-exchange') !== undefined,
  }));
};
