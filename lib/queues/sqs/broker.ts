import { randomBytes } from 'node:crypto';
import { ListDeadLetterSourceQueuesCommand } from '@aws-sdk/client-sqs';
import type { Emit } from '../../telemetry/events.ts';
import type { HeldDelivery } from '../held-delivery.ts';
import { QueueGone, type QueueBroker } from '../queue.ts';
import { createAccountSet } from './account-set.ts';
import { configuredAccounts, type Accounts } from './credentials.ts';
import { createLooks } from '../looks.ts';
import { createNames, shortName } from '../names.ts';
import { countQueues } from './count.ts';
import { leasePrefix } from './lease-queue.ts';
import { createSqsReporter } from './reporter.ts';
import { createWorkQueue, type FoundQueue } from './work-queue.ts';

export interface SqsSettings {
  /** Directory with a subdirectory for each account; absent: the one account of the ordinary AWS chain. */
  readonly certs?: string | undefined;
  /** Of one call, ms. */
  readonly timeoutMs: number;
  /** How long work stays with a runner that is not heard of, ms. */
  readonly leaseMs: number;
  readonly host: string;
  /** Names the runners that serve what this one does: their leases are counted together. Letters and digits. */
  readonly group?: string;
  readonly emit: Emit;
  /** Between two looks for queues, ms. */
  readonly discoveryMs?: number;
  /** A message that is held by one receipt for longer moves to a fresh one, ms. SQS's own limit is twelve hours. */
  readonly ceilingMs?: number;
  /** Reads the accounts; for tests. Default: from `certs`, or the AWS chain. */
  readonly read?: () => Promise<Accounts>;
  readonly now?: () => number;
}

const defaultCeilingMs = 11.5 * 3_600_000;
/** Whether a queue is a dead-letter queue is asked again after this long, ms. */
const admittedForMs = 10 * 60_000;

/**
 * AWS SQS: one client an account, one long poll a queue.
 * - A message is hidden from others for two thirds of the lease and extended at a third of that: one lost extension is survived,
 *   and with the third of a lease that passes between two looks at a dead runner's copies its work is started again in time.
 * - A receipt holds for twelve hours at most; before that the message moves to a fresh one (see lease-queue.ts).
 * - The calls need: ListQueues, ReceiveMessage, ChangeMessageVisibility, DeleteMessage, SendMessage, GetQueueUrl,
 *   GetQueueAttributes, and CreateQueue and DeleteQueue for `studioml_lease_*` and `*_dead`.
 * Source: spec "AWS SQS"; SQS developer guide, "Visibility timeout".
 */
export const createSqsBroker = (settings: SqsSettings): QueueBroker => {
  const { certs, timeoutMs, leaseMs, host, emit, discoveryMs = 5000, ceilingMs = defaultCeilingMs } = settings;
  const { group = '0', now = Date.now, read = () => configuredAccounts(certs) } = settings;
  const visibilityMs = Math.floor((leaseMs * 2) / 3);
  const runnerId = `${group}-${host.replace(/[^\w-]/g, '_').slice(0, 32)}-${randomBytes(6).toString('hex')}`;
  const set = createAccountSet({ read, timeoutMs, visibilityMs, leaseMs, discoveryMs, host, runnerId, emit, now });
  const names = createNames();
  const out = new Set<HeldDelivery>();
  /** Dead-letter queues, by name; and when others were seen to be none. */
  const deadLetterQueues = new Set<string>();
  const admitted = new Map<string, number>();

  const assign = () => {
    const busy = new Set([...out].map(delivery => delivery.queue.name));
    const queues = set.members().flatMap(({ account, queues: known }) =>
      [...known.keys()]
        .map(home => [account.label, home] as const)
        .filter(([label, home]) => {
          // Of an account that went away, what is still out.
          if (account.retired) return [...busy].some(name => isQueue(name, label, home));
          return true;
        }),
    );
    names.assign(queues);
  };
  const isQueue = (name: string, label: string, home: string) => {
    const [knownLabel, knownHome] = names.find(name) ?? [];
    return knownLabel === label && knownHome === home;
  };

  const lookOnce = async (signal: AbortSignal): Promise<ReadonlySet<string> | undefined> => {
    const learnt = await set.look(signal);
    assign();
    return learnt ? new Set([...names.all()].filter(name => !deadLetterQueues.has(name))) : undefined;
  };
  const looks = createLooks({ everyMs: discoveryMs, look: lookOnce });

  const known = (name: string): FoundQueue | undefined => {
    const [label = '', home = ''] = names.find(name) ?? [];
    const served = set.get(label);
    const url = served?.queues.get(home);
    return served && url !== undefined ? { account: served.account, leases: served.leases, home, url } : undefined;
  };

  /** The dead-letter queue of another queue may have a name that matches; what is in it is no work. */
  const admit = async (name: string, { account, url }: FoundQueue, signal: AbortSignal): Promise<void> => {
    if (now() - (admitted.get(name) ?? -Infinity) < admittedForMs) return;
    const { queueUrls = [] } = await account
      .persist(
        (client, options) => client.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl: url }), options),
        { signal },
        // Who may not ask takes it for a queue of work.
        ['queue-gone', 'denied', 'refused'],
      )
      .catch(() => {
        signal.throwIfAborted();
        return { queueUrls: [] };
      });
    if (queueUrls.length === 0) {
      admitted.set(name, now());
      return;
    }
    if (!deadLetterQueues.has(name)) {
      emit('queue-ignored', { why: `it is the dead-letter queue of ${queueUrls.join(', ')}` }, { queue: name });
    }
    deadLetterQueues.add(name);
    throw new QueueGone({ kind: 'sqs', name });
  };

  return {
    kind: 'sqs',
    shortName,
    refuses: name =>
      shortName(name).endsWith('.fifo')
        ? 'a FIFO queue keeps an order that work which is given back and tried again can not keep; use a standard queue'
        : undefined,
    discover: () => looks.found$,
    open: name =>
      createWorkQueue({
        name,
        find: signal => looks.find(() => known(name), signal),
        admit: (found, signal) => admit(name, found, signal),
        visibilityMs,
        ceilingMs,
        now,
        out,
      }),
    reporter: name => createSqsReporter(() => known(name), now),
    count: (counted, signal) => {
      const work = counted.flatMap(name => {
        const found = known(name);
        return found ? [[name, found] as const] : [];
      });
      const leases = set
        .members()
        .flatMap(({ account, leaseQueues }) =>
          [...leaseQueues]
            .filter(([name]) => !account.retired && name.startsWith(`${leasePrefix}${group}-`))
            .map(([, url]) => ({ account, url })),
        );
      return countQueues(new Map(work), leases, signal);
    },
    close: async () => {
      await looks.close(() => Promise.all([...out].map(delivery => delivery.letGo())));
      await Promise.all(set.members().map(member => member.close()));
    },
  };
};
