import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { createLimit } from '../../flow/limit.ts';
import type { QueueCounts } from '../queue.ts';
import type { SqsAccount } from './account.ts';
import { faultOf } from './faults.ts';

/** A queue that is counted: where it is, and whose. */
export interface CountedQueue {
  readonly account: SqsAccount;
  readonly url: string;
}

interface Counts {
  readonly visible: number;
  readonly hidden: number;
  readonly delayed: number;
}

/** Calls at once: a queue takes one each. */
const parallel = 16;
const nothing: Counts = { visible: 0, hidden: 0, delayed: 0 };
const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

const ask = async ({ account, url }: CountedQueue, signal: AbortSignal): Promise<Counts> => {
  const { Attributes = {} } = await account.call(
    (client, options) =>
      client.send(
        new GetQueueAttributesCommand({
          QueueUrl: url,
          AttributeNames: [
            'ApproximateNumberOfMessages',
            'ApproximateNumberOfMessagesNotVisible',
            'ApproximateNumberOfMessagesDelayed',
          ],
        }),
        options,
      ),
    { signal },
  );
  return {
    visible: Number(Attributes.ApproximateNumberOfMessages ?? 0),
    hidden: Number(Attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
    delayed: Number(Attributes.ApproximateNumberOfMessagesDelayed ?? 0),
  };
};

/**
 * Messages that wait on these queues, those on their way to a retry too, and those that runners hold: hidden ones at their queue
 * before they are begun, and from then on copies in the lease queues, which serve all queues of their runner. SQS's numbers are
 * approximate: right within a minute or so.
 * @param work queues by name @param leases lease queues of all runners that serve what this one does
 * Errors: what SQS says, but for a queue that is gone.
 */
export const countQueues = async (
  work: ReadonlyMap<string, CountedQueue>,
  leases: readonly CountedQueue[],
  signal: AbortSignal,
): Promise<QueueCounts> => {
  const limit = createLimit(parallel);
  const countOf = (queue: CountedQueue): Promise<Counts> =>
    limit(() =>
      ask(queue, signal).catch((error: unknown) => {
        if (faultOf(error) === 'queue-gone') return nothing;
        throw error;
      }),
    );
  const [counted, held] = await Promise.all([
    Promise.all([...work].map(async ([name, queue]) => [name, await countOf(queue)] as const)),
    Promise.all(leases.map(countOf)),
  ]);
  const leasedBy = new Map(counted.map(([name, { hidden }]) => [name, hidden]));
  return {
    waiting: new Map(counted.map(([name, { visible, delayed }]) => [name, visible + delayed])),
    leasedBy,
    leased: sum([...leasedBy.values()]) + sum(held.map(({ visible, hidden }) => visible + hidden)),
  };
};
