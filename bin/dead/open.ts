import type { Options } from '../../lib/config/options.ts';
import { messageOf } from '../../lib/errors.ts';
import type { DeadLetters } from '../../lib/queues/dead-letters.ts';

/** A URL's host and path, without user and password. */
const shown = (url: string): string => {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
};

const rabbitmq = async (options: Options, url: string, managementUrl: string | undefined): Promise<DeadLetters> => {
  const { rabbitmqDeadLetters } = await import('../../lib/queues/rabbitmq/dead-letters.ts');
  const path = new URL(url).pathname.slice(1);
  const vhost = path === '' ? '/' : decodeURIComponent(path);
  try {
    return await rabbitmqDeadLetters({ url, vhost, managementUrl, queues: options.amqpQueues });
  } catch (error) {
    throw new Error(`the broker can not be reached [broker=${shown(url)}]: ${messageOf(error)}`, { cause: error });
  }
};

/** The dead letters of everything that the options name. */
export const openDeadLetters = async (options: Options): Promise<readonly DeadLetters[]> => {
  const opened: DeadLetters[] = [];
  for (const [index, url] of options.amqpUrls.entries())
    opened.push(await rabbitmq(options, url, options.amqpMgtUrls[index]));
  if (options.queueRoot !== undefined) {
    const { directoryDeadLetters } = await import('../../lib/queues/directory/dead-letters.ts');
    opened.push(directoryDeadLetters(options.queueRoot));
  }
  if (options.sqsCerts !== undefined || options.sqsChain) {
    const { chainAccount, readAccounts } = await import('../../lib/queues/sqs/credentials.ts');
    const { sqsDeadLetters } = await import('../../lib/queues/sqs/dead-letter-accounts.ts');
    const accounts = options.sqsCerts === undefined ? await chainAccount() : await readAccounts(options.sqsCerts);
    opened.push(sqsDeadLetters({ accounts, timeoutMs: options.sqsTimeoutMs }));
  }
  if (options.pubsubCerts !== undefined || options.pubsubProject !== undefined) {
    const { namedProject, readProjects } = await import('../../lib/queues/pubsub/clients.ts');
    const { pubsubDeadLetters } = await import('../../lib/queues/pubsub/dead-letter-projects.ts');
    const { pubsubCerts, pubsubProject } = options;
    const read = pubsubCerts === undefined ? undefined : await readProjects(pubsubCerts);
    const own = pubsubProject === undefined ? [] : [namedProject(pubsubProject)];
    const projects = [...own, ...(read?.projects ?? [])];
    if (projects.length === 0) throw new Error(`no project can be used: ${(read?.faults ?? []).join('; ')}`);
    opened.push(pubsubDeadLetters({ projects }));
  }
  return opened;
};
