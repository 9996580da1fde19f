import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { map, merge, type Observable } from 'rxjs';
import type { Emit } from '../../telemetry/events.ts';
import type { QueueBroker } from '../queue.ts';
import { createLimit } from '../../flow/limit.ts';
import { createAlarms } from './alarms.ts';
import { createConnection, longestRetryMs, type Connection } from './connection.ts';
import { findDeadLetterPolicy } from './dead-letter-policy.ts';
import { discoverByManagement } from './discovery.ts';
import { createLeases } from './lease/keeper.ts';
import { sweepLeaseQueues } from './lease/sweep.ts';
import { discoverByName } from './named-queues.ts';
import { createPatience } from './patience.ts';
import { createReporter } from './reporter.ts';
import { countByManagement } from './count.ts';
import { createSpareChannels } from './spare-channels.ts';
import { openWorkChannel } from './work-channel.ts';
import { createWorkQueue, type LiveChannel } from './work-queue.ts';

export interface RabbitmqSettings {
  readonly url: string;
  /** Absent: no management API; `queues` are served. */
  readonly managementUrl?: string | undefined;
  /** Names to serve where the management API can't be asked. */
  readonly queues: readonly string[];
  /** After this long without its runner, work that was begun goes home, ms. */
  readonly leaseMs?: number;
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

/**
 * RabbitMQ through amqplib: one connection, a channel for each queue that has work, few for all that wait, one for the leases; a
 * connection of its own for reports, made with the first. Connecting starts at once; calls wait for it.
 * Source: spec "RabbitMQ".
 */
export const createRabbitmqBroker = (settings: RabbitmqSettings): QueueBroker => {
  const { url, managementUrl, queues, leaseMs = 60_000, emit, discoveryMs = 2000, now = Date.now } = settings;
  // A broker that was away is found again while the copies still wait for us.
  const connection = createConnection({ url, emit, maxRetryMs: Math.min(longestRetryMs, leaseMs / 6) });
  const vhost = vhostOf(url);
  let reports: Connection | undefined;
  // Names the lease queues. Containers that follow one another have one host name and one process id.
  const runner = `${hostname().slice(0, 150)}-${String(process.pid)}-${randomBytes(4).toString('hex')}`;
  const leases = createLeases({ connection, runner, leaseMs, emit });
  const stopSweeping =
    managementUrl && sweepLeaseQueues({ connection, managementUrl, vhost, runner, everyMs: leaseMs });
  const alarms = createAlarms(live => openWorkChannel(live, leases));
  const spares = createSpareChannels<LiveChannel>();
  const asking = createLimit(askedAtOnce);
  const patience = createPatience(connection.name, emit);

  const find = (): Observable<ReadonlySet<string>> => {
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
    discover: () => find().pipe(map(names => leases.withHeldOver(names))),
    open: name =>
      createWorkQueue({
        connection,
        leases,
        name,
        deadLetterPolicy: findDeadLetterPolicy(managementUrl, vhost, name),
        now,
        alarms,
        spares,
        patience,
        asking,
      }),
    quiet: alarms.quiet,
    reporter: name => createReporter(() => (reports ??= createConnection({ url, emit })), name),
    ...(managementUrl && {
      count: (names: readonly string[], signal: AbortSignal) =>
        countByManagement({ managementUrl, vhost }, names, signal),
    }),
    close: async () => {
      if (stopSweeping) stopSweeping();
      await leases.close();
      await Promise.all([connection.close(), reports?.close()]);
    },
  };
};
