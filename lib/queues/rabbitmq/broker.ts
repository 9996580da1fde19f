import { map, merge, type Observable } from 'rxjs';
import type { Emit } from '../../telemetry/events.ts';
import type { QueueBroker } from '../queue.ts';
import { createLimit } from '../../flow/limit.ts';
import { createAlarms } from './alarms.ts';
import { createConnection } from './connection.ts';
import { discoverByManagement } from './discovery.ts';
import { ask } from './management.ts';
import { discoverByName } from './named-queues.ts';
import { createSpareChannels } from './spare-channels.ts';
import { createWorkQueue, type LiveChannel } from './work-queue.ts';

export interface RabbitmqSettings {
  readonly url: string;
  /** Absent: no management API; `queues` are served. */
  readonly managementUrl?: string | undefined;
  /** Names to serve where the management API can't be asked. */
  readonly queues: readonly string[];
  readonly emit: Emit;
  /** Between two looks for queues, ms. */
  readonly discoveryMs?: number;
  readonly now?: () => number;
}

/** Queues that are asked after at once, each on a channel. */
const askedAtOnce = 16;

const vhostOf = (url: string): string => {
  const path = new URL(url).pathname.slice(1);
  return path === '' ? '/' : decodeURIComponent(path);
};

interface QueueInfo {
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly effective_policy_definition?: Readonly<Record<string, unknown>>;
}

/** Whether a queue's own arguments or its policy say where dead letters go. Not known: no. */
const deadLetterPolicy =
  (managementUrl: string | undefined, vhost: string, name: string) =>
  async (signal: AbortSignal): Promise<boolean> => {
    if (!managementUrl) return false;
    try {
      const path = `/api/queues/${encodeURIComponent(vhost)}/${encodeURIComponent(name)}`;
      const info = ((await ask(managementUrl, path, signal)) ?? {}) as QueueInfo;
      return (
        'x-dead-letter-exchange' in (info.arguments ?? {}) ||
        'dead-letter-exchange' in (info.effective_policy_definition ?? {})
      );
    } catch {
      return false;
    }
  };

/**
 * RabbitMQ through amqplib: one connection, a channel for each queue that has work, few for all that wait. Connecting starts at once; calls wait for it.
 * Source: spec "RabbitMQ".
 */
export const createRabbitmqBroker = (settings: RabbitmqSettings): QueueBroker => {
  const { url, managementUrl, queues, emit, discoveryMs = 2000, now = Date.now } = settings;
  const connection = createConnection({ url, emit });
  const vhost = vhostOf(url);
  const alarms = createAlarms();
  const spares = createSpareChannels<LiveChannel>();
  const asking = createLimit(askedAtOnce);

  const discover = (): Observable<ReadonlySet<string>> => {
    const named = discoverByName({ connection, names: queues, everyMs: discoveryMs });
    if (!managementUrl) return named;
    const managed = discoverByManagement({ managementUrl, vhost, emit, everyMs: discoveryMs });
    if (queues.length === 0) return managed;
    // Whichever was heard last of each, together.
    let byManagement: ReadonlySet<string> = new Set();
    let byName: ReadonlySet<string> = new Set();
    return merge(
      managed.pipe(map(names => void (byManagement = names))),
      named.pipe(map(names => void (byName = names))),
    ).pipe(map(() => new Set([...byManagement, ...byName])));
  };

  return {
    kind: 'rabbitmq',
    discover,
    open: name => {
      const hasDeadLetterPolicy = deadLetterPolicy(managementUrl, vhost, name);
      return createWorkQueue({ connection, name, hasDeadLetterPolicy, now, alarms, spares, asking });
    },
    close: () => connection.close(),
  };
};
