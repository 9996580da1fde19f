import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { configuredQueues, type ConfiguredQueues } from '../../lib/config/configured-queues.ts';
import type { Options } from '../../lib/config/options.ts';
import type { QueueKind } from '../../lib/model/delivery.ts';
import type { DeadLetters } from '../../lib/queues/dead-letters.ts';
import { directoryFault } from '../checks/directory-fault.ts';
import { unreachable } from '../unreachable.ts';

export interface OpenDeadLetters {
  /** Only those of this kind of queue. */
  readonly kind?: QueueKind;
  /** Leave out places where a look wears out what lies there. */
  readonly sparing?: boolean;
}

type Of<K extends QueueKind> = Extract<ConfiguredQueues, { readonly kind: K }>;

const rabbitmq = async (place: Of<'rabbitmq'>, sparing: boolean): Promise<DeadLetters> => {
  const { rabbitmqDeadLetters } = await import('../../lib/queues/rabbitmq/dead-letters.ts');
  const path = new URL(place.url).pathname.slice(1);
  const vhost = path === '' ? '/' : decodeURIComponent(path);
  try {
    return await rabbitmqDeadLetters({ ...place, vhost, sparing });
  } catch (error) {
    throw unreachable(place.url, error);
  }
};

const sqs = async ({ certs, timeoutMs }: Of<'sqs'>): Promise<DeadLetters> => {
  const { configuredAccounts } = await import('../../lib/queues/sqs/credentials.ts');
  const { sqsDeadLetters } = await import('../../lib/queues/sqs/dead-letter-accounts.ts');
  return sqsDeadLetters({ accounts: await configuredAccounts(certs), timeoutMs });
};

const pubsub = async ({ certs, project }: Of<'pubsub'>): Promise<DeadLetters> => {
  const { configuredProjects } = await import('../../lib/queues/pubsub/clients.ts');
  const { pubsubDeadLetters } = await import('../../lib/queues/pubsub/dead-letter-projects.ts');
  const { projects, faults } = await configuredProjects(certs, project);
  if (projects.length === 0) throw new Error(`no project can be used: ${faults.join('; ')}`);
  return pubsubDeadLetters({ projects });
};

const directory = async ({ root }: Of<'directory'>): Promise<DeadLetters> => {
  // No dead letters is one thing, a directory that was named wrongly another.
  await access(root, constants.R_OK | constants.X_OK).catch((error: unknown) => {
    throw new Error(directoryFault(root, error));
  });
  return (await import('../../lib/queues/directory/dead-letters.ts')).directoryDeadLetters(root);
};

const open = async (place: ConfiguredQueues, sparing: boolean): Promise<DeadLetters> => {
  switch (place.kind) {
    case 'rabbitmq':
      return rabbitmq(place, sparing);
    case 'directory':
      return directory(place);
    case 'sqs':
      return sqs(place);
    case 'pubsub':
      return pubsub(place);
    default:
      return place satisfies never;
  }
};

/** The dead letters of everything that the options name. */
export const openDeadLetters = async (
  options: Options,
  { kind, sparing = false }: OpenDeadLetters = {},
): Promise<readonly DeadLetters[]> => {
  const opened: DeadLetters[] = [];
  for (const place of configuredQueues(options, kind)) opened.push(await open(place, sparing));
  return opened;
};
