import { ListQueuesCommand } from '@aws-sdk/client-sqs';
import type { SqsAccount } from './account.ts';
import { deadSuffix } from './dead-letters.ts';
import { leasePrefix } from './lease-queue.ts';

/** The queues of one account, name to URL. */
export interface Listed {
  readonly work: ReadonlyMap<string, string>;
  readonly leases: ReadonlyMap<string, string>;
  /** Dead letters of queues that have no policy of their own. */
  readonly dead: ReadonlyMap<string, string>;
}

/** SQS's largest. Only where a number of results is asked for does it say where the next page begins. */
const largestPage = 1000;

/** The short name: the last segment of a queue's URL. */
const nameOf = (url: string): string => url.slice(url.lastIndexOf('/') + 1);

/** Queues that are never work: reports, dead letters, and the runner's own. */
const isWorkQueue = (name: string): boolean =>
  !name.endsWith('_response') && !name.endsWith(deadSuffix) && !name.startsWith('studioml_');

/** Every queue of an account, page by page. */
export const listQueues = async (
  account: SqsAccount,
  signal: AbortSignal,
  pageSize: number = largestPage,
): Promise<Listed> => {
  const urls: string[] = [];
  let token: string | undefined;
  do {
    const page = await account.call(
      (client, options) =>
        client.send(
          new ListQueuesCommand({ MaxResults: pageSize, ...(token === undefined ? {} : { NextToken: token }) }),
          options,
        ),
      { signal },
    );
    urls.push(...(page.QueueUrls ?? []));
    token = page.NextToken;
  } while (token);
  const all = urls.map(url => [nameOf(url), url] as const);
  return {
    work: new Map(all.filter(([name]) => isWorkQueue(name))),
    leases: new Map(all.filter(([name]) => name.startsWith(leasePrefix))),
    dead: new Map(all.filter(([name]) => name.endsWith(deadSuffix))),
  };
};
