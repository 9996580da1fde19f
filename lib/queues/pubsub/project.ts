import { messageOf } from '../../errors.ts';
import type { Emit } from '../../telemetry/events.ts';
import { listSubscriptions, type Subscription } from './calls.ts';
import { createPubsubAccount, type FoundProject, type PubsubAccount } from './clients.ts';
import type { FoundSubscription } from './delivery.ts';
import { createSightings } from '../looks.ts';
import { createLeaseTopic, leasePrefix } from './lease-topic.ts';
import { isWork, shortNameOf } from './names.ts';
import { createReaper } from './reaper.ts';

export interface ProjectSettings {
  readonly found: FoundProject;
  readonly host: string;
  readonly runnerId: string;
  readonly leaseMs: number;
  readonly visibilityMs: number;
  /** Between two looks, ms. One that is asked for in between takes no subscription away. */
  readonly discoveryMs: number;
  readonly emit: Emit;
  readonly now: () => number;
}

/** A project that is served, with what it needs. */
export interface ServedProject {
  readonly account: PubsubAccount;
  version: string;
  /** As the last looks saw it: a subscription is gone when two looks in a row miss it. */
  readonly queues: ReadonlyMap<string, FoundSubscription>;
  /** List its subscriptions. Whether that could be done; faults are told as events. */
  look(signal: AbortSignal): Promise<boolean>;
  close(): Promise<void>;
}

export const createProject = (settings: ProjectSettings): ServedProject => {
  const { found, host, runnerId, leaseMs, visibilityMs, discoveryMs, emit, now } = settings;
  const account = createPubsubAccount({ found, emit });
  const clients = found.createClients();
  const { project } = clients;
  void Promise.allSettled([clients.subscriber.close(), clients.publisher.close()]);
  const leaseName = `${leasePrefix}${runnerId}`;
  const leases = createLeaseTopic({ account, project, name: leaseName, host, visibilityMs, emit, now });
  const sightings = createSightings<FoundSubscription>(discoveryMs, now);
  let listed: readonly Subscription[] = [];
  let fault = '';

  const reaper = createReaper({
    account,
    subscriptions: () => listed.map(({ name }) => name ?? '').filter(name => shortNameOf(name).startsWith(leasePrefix)),
    own: { name: `projects/${project}/subscriptions/${leaseName}`, claimOf: (lease, id) => leases.claimOf(lease, id) },
    topicOf: subscription => listed.find(({ name }) => name === subscription)?.topic ?? undefined,
    leaseMs,
    emit,
    now,
  });

  const take = () => {
    // What comes to a dead-letter topic is no work, whatever its subscription's name.
    const deadTopics = new Set(listed.map(({ deadLetterPolicy }) => deadLetterPolicy?.deadLetterTopic).filter(Boolean));
    const seen = new Map<string, FoundSubscription>();
    for (const { name, topic, deadLetterPolicy } of listed) {
      const home = shortNameOf(name ?? '');
      if (!name || !topic || !isWork(home) || deadTopics.has(topic)) continue;
      const deadLetterTopic = deadLetterPolicy?.deadLetterTopic ?? undefined;
      seen.set(home, { account, leases, project, home, subscription: name, topic, deadLetterTopic });
    }
    sightings.take(seen);
  };

  return {
    account,
    version: found.version,
    get queues() {
      return sightings.all;
    },
    look: async signal => {
      try {
        listed = await account.call((use, options) => listSubscriptions(use, options), { signal });
        take();
        fault = '';
        return true;
      } catch (error) {
        signal.throwIfAborted();
        const words = `${messageOf(error)} [project=${account.label}]`;
        if (words !== fault) emit('discovery-failed', { kind: 'pubsub', error: words });
        fault = words;
        return false;
      }
    },
    close: async () => {
      await reaper.close();
      await leases.close();
      account.close();
    },
  };
};
