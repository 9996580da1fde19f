import { randomBytes } from 'node:crypto';
import { messageOf } from '../../errors.ts';
import type { Emit } from '../../telemetry/events.ts';
import { createLooks } from '../looks.ts';
import { createNames, shortName } from '../names.ts';
import type { QueueBroker } from '../queue.ts';
import { configuredProjects, type FoundProject } from './clients.ts';
import type { HeldDelivery } from '../held-delivery.ts';
import type { FoundSubscription } from './delivery.ts';
import { createProject, type ServedProject } from './project.ts';
import { createPubsubReporter } from './reporter.ts';
import { createWorkQueue } from './work-queue.ts';

export interface PubsubSettings {
  /** Directory of service account files. */
  readonly certs?: string | undefined;
  /** Project to serve with application default credentials. */
  readonly project?: string | undefined;
  /** How long work stays with a runner that is not heard of, ms. */
  readonly leaseMs: number;
  readonly host: string;
  readonly emit: Emit;
  /** Between two looks for subscriptions, ms. */
  readonly discoveryMs?: number;
  readonly now?: () => number;
}

/** Pub/Sub's longest deadline, ms. Source: ModifyAckDeadlineRequest. */
const longestDeadlineMs = 600_000;

/**
 * Google Pub/Sub through the library's generated clients: a unary pull is one question for one message, which is what a credit is
 * for; a streaming pull brings messages by itself and holds at least one for each subscription.
 * A message is held for two thirds of the lease and extended at a third of that.
 * Source: spec "Google Pub/Sub".
 */
export const createPubsubBroker = (settings: PubsubSettings): QueueBroker => {
  const { certs, project: named, leaseMs, host, emit, discoveryMs = 5000, now = Date.now } = settings;
  const visibilityMs = Math.min(longestDeadlineMs, Math.floor((leaseMs * 2) / 3));
  const runnerId = `${host.replace(/[^\w-]/g, '_').slice(0, 40)}-${randomBytes(6).toString('hex')}`;
  const members = new Map<string, ServedProject>();
  const names = createNames();
  const out = new Set<HeldDelivery>();
  let said = '';

  const tell = (words: string) => {
    if (words !== '' && words !== said) emit('discovery-failed', { kind: 'pubsub', error: words });
    said = words;
  };

  const read = async (): Promise<readonly FoundProject[]> => {
    const { projects, faults } = await configuredProjects(certs, named);
    tell(faults.join('; '));
    return projects;
  };

  /** Projects as they come and go. One that goes keeps its clients: what is out is settled with them. */
  const readAll = async (): Promise<void> => {
    const found = await read();
    for (const one of found) {
      const member = members.get(one.label);
      if (!member) {
        members.set(
          one.label,
          createProject({ found: one, host, runnerId, leaseMs, visibilityMs, discoveryMs, emit, now }),
        );
      } else if (member.version !== one.version) {
        member.account.use(one.createClients());
        member.version = one.version;
      }
    }
    const labels = new Set(found.map(({ label }) => label));
    for (const [label, { account }] of members) account.retired = !labels.has(label);
  };

  const assign = () => {
    const busy = new Set([...out].map(delivery => names.find(delivery.queue.name)?.join('/')));
    names.assign(
      [...members.values()].flatMap(({ account, queues }) =>
        [...queues.keys()]
          .map(home => [account.label, home] as const)
          // Of a project that went away, what is still out.
          .filter(queue => !account.retired || busy.has(queue.join('/'))),
      ),
    );
  };

  const lookOnce = async (signal: AbortSignal): Promise<ReadonlySet<string> | undefined> => {
    await readAll().catch((error: unknown) => {
      tell(messageOf(error));
    });
    const serving = [...members.values()].filter(({ account }) => !account.retired);
    const learnt = await Promise.all(serving.map(member => member.look(signal)));
    assign();
    return serving.length === 0 || learnt.some(Boolean) ? names.all() : undefined;
  };
  const looks = createLooks({ everyMs: discoveryMs, look: lookOnce });

  const known = (name: string): FoundSubscription | undefined => {
    const [label = '', home = ''] = names.find(name) ?? [];
    return members.get(label)?.queues.get(home);
  };

  return {
    kind: 'pubsub',
    shortName,
    discover: () => looks.found$,
    open: name =>
      createWorkQueue({
        name,
        find: signal => looks.find(() => known(name), signal),
        visibilityMs,
        now,
        out,
      }),
    reporter: name => createPubsubReporter(() => known(name)),
    close: async () => {
      await looks.close(() => Promise.all([...out].map(delivery => delivery.letGo())));
      await Promise.all([...members.values()].map(member => member.close()));
    },
  };
};
