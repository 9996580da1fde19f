import type { Channel, ChannelModel } from 'amqplib';
import { onThrowAwayChannel } from '../channels.ts';
import { deadQueueOf } from '../dead-queue.ts';
import { headerNames } from '../message.ts';
import { declareOwnQueue } from '../own-queue.ts';

const prefix = 'studioml.lease.';
export const leaseQueueOf = (runner: string, part: 'held' | 'waiting'): string => `${prefix}${runner}.${part}`;
/** Whose lease queue this is. */
export const runnerOf = (queue: string): string | undefined =>
  /^studioml\.lease\.(.+)\.(?:held|waiting)$/.exec(queue)?.[1];

/** Where copies come home: each work queue is bound to it by its own name. */
export const returnExchange = 'studioml.return';
/** Where those go whose work queue is not there any more. */
const unreturnedExchange = 'studioml.unreturned';
export const unreturnedQueue = deadQueueOf('unreturned');

/** Exchanges that every broker has; they choose by headers, so a copy keeps its work queue's name as routing key. */
export const leaseExchange = 'amq.match';
const secondExchange = 'amq.headers';

/** A queue that nobody uses for this long goes by itself; what was in it went home long before. */
const unusedMs = 24 * 3_600_000;

/** How long a copy stays in each of the two queues when its runner is gone: five sixths of the lease in all. */
export const heldMs = (leaseMs: number): number => Math.round(leaseMs / 3);
export const waitingMs = (leaseMs: number): number => Math.round(leaseMs / 2);

/**
 * Declare what leases need, all of it durable; cheap where it is there. A copy that nobody holds goes from `held` to `waiting` to
 * its work queue, each hop when its time to live is over.
 * Errors: those of the broker (403 where the user may not declare queues).
 */
export const declareLeases = async (model: ChannelModel, runner: string, leaseMs: number): Promise<void> => {
  await declareOwnQueue(model, unreturnedQueue);
  await onThrowAwayChannel(model, channel => declareWay(channel, runner, leaseMs));
};

const declareWay = async (channel: Channel, runner: string, leaseMs: number): Promise<void> => {
  const [held, waiting] = [leaseQueueOf(runner, 'held'), leaseQueueOf(runner, 'waiting')];
  const arguments_ = { 'x-queue-type': 'classic', 'x-expires': unusedMs };
  await channel.assertExchange(unreturnedExchange, 'fanout', { durable: true });
  await channel.bindQueue(unreturnedQueue, unreturnedExchange, '');
  await channel.assertExchange(returnExchange, 'direct', { durable: true, alternateExchange: unreturnedExchange });
  await channel.assertQueue(waiting, {
    durable: true,
    arguments: { ...arguments_, 'x-message-ttl': waitingMs(leaseMs), 'x-dead-letter-exchange': returnExchange },
  });
  await channel.assertQueue(held, {
    durable: true,
    arguments: { ...arguments_, 'x-message-ttl': heldMs(leaseMs), 'x-dead-letter-exchange': secondExchange },
  });
  const mine = { 'x-match': 'all', [headerNames.lease]: runner };
  await channel.bindQueue(waiting, secondExchange, '', mine);
  await channel.bindQueue(held, leaseExchange, '', mine);
};

/**
 * Delete a runner's lease queues where nobody uses them and nothing is in them, the first one first: what it still holds needs the
 * second. Errors: those of the broker, which refuses where there is something left.
 */
export const deleteLeaseQueues = async (model: ChannelModel, runner: string): Promise<void> => {
  for (const part of ['held', 'waiting'] as const) {
    await onThrowAwayChannel(model, channel =>
      channel.deleteQueue(leaseQueueOf(runner, part), { ifUnused: true, ifEmpty: true }),
    );
  }
};
