import type { QueueName } from '../lib/model/delivery.ts';
import { queueId, type QueueBroker, type QueueCounts } from '../lib/queues/queue.ts';
import type { BrokerQueues } from './runner.ts';

/** Work of one queue. `waiting` is null where the broker can't tell. */
export interface QueueScale extends QueueName {
  readonly waiting: number | null;
  /** In the hands of all runners, as far as the broker tells; this runner's own at least. */
  readonly leased: number;
  /** Its experiments that hold resources of this runner. */
  readonly running: number;
  /** What waits and what is leased. */
  readonly total: number;
}

/** How much work there is, for who decides how many runners there should be. */
export interface Scale {
  readonly waiting: number;
  /** In the hands of all runners, as far as the brokers tell; this runner's own at least. */
  readonly leased: number;
  /** On this runner. */
  readonly running: number;
  /** What waits, and what is in hands: a message in a lease queue or in a claim is not in the count of its work queue. */
  readonly total: number;
  readonly queues: readonly QueueScale[];
}

/** Where a broker can't count, each queue is asked for its depth, where it has one. */
const countOneByOne = async (
  broker: QueueBroker,
  names: readonly string[],
  signal: AbortSignal,
): Promise<QueueCounts> => {
  const found = await Promise.all(
    names.map(async name => {
      const queue = broker.open(name);
      try {
        return [name, await queue.depth?.(signal)] as const;
      } finally {
        await queue.close();
      }
    }),
  );
  return { waiting: new Map(found.flatMap(([name, depth]) => (depth === undefined ? [] : [[name, depth] as const]))) };
};

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

/**
 * Count the work of all queues that match.
 * @param running experiments of a queue that hold resources here, by queueId
 * Errors: what a broker says; a wrong number would scale a cluster down.
 */
export const scaleOf = async (
  brokers: readonly BrokerQueues[],
  running: (queue: string) => number,
  signal: AbortSignal,
): Promise<Scale> => {
  const counted = await Promise.all(
    brokers.map(async ({ broker, queues }) => {
      const names = queues.map(({ name }) => name);
      const { waiting, leased, leasedBy } = await (broker.count?.(names, signal) ??
        countOneByOne(broker, names, signal));
      const rows = queues.map(({ kind, name }): QueueScale => {
        const here = running(queueId({ kind, name }));
        const waits = waiting.get(name) ?? null;
        const held = Math.max(leasedBy?.get(name) ?? 0, here);
        return { kind, name, waiting: waits, leased: held, running: here, total: (waits ?? 0) + held };
      });
      const here = sum(rows.map(row => row.running));
      return { rows, leased: Math.max(leased ?? 0, here), running: here };
    }),
  );
  const queues = counted.flatMap(one => one.rows);
  const waiting = sum(queues.map(row => row.waiting ?? 0));
  const leased = sum(counted.map(one => one.leased));
  return { waiting, leased, running: sum(counted.map(one => one.running)), total: waiting + leased, queues };
};
