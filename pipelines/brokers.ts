import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { configuredQueues, type ConfiguredQueues } from '../lib/config/configured-queues.ts';
import type { Options } from '../lib/config/options.ts';
import type { QueueBroker } from '../lib/queues/queue.ts';
import type { Emit } from '../lib/telemetry/events.ts';

/** Runners that serve the same queues, by a short name. */
const groupOf = ({ queueMatch, queueMismatch }: Options): string =>
  createHash('sha256')
    .update(`${queueMatch.source}\n${queueMismatch?.source ?? ''}`)
    .digest('hex')
    .slice(0, 6);

/** Drivers are loaded when their options ask for them, so that an idle runner stays small. */
const open = async (queues: ConfiguredQueues, options: Options, emit: Emit): Promise<QueueBroker> => {
  const { leaseMs } = options;
  const host = hostname();
  switch (queues.kind) {
    case 'rabbitmq': {
      const { createRabbitmqBroker } = await import('../lib/queues/rabbitmq/broker.ts');
      return createRabbitmqBroker({ ...queues, leaseMs, emit });
    }
    case 'directory': {
      const { createDirectoryBroker } = await import('../lib/queues/directory/broker.ts');
      return createDirectoryBroker({ ...queues, runnerId: `${host}-${String(process.pid)}`, leaseMs, emit });
    }
    case 'sqs': {
      const { createSqsBroker } = await import('../lib/queues/sqs/broker.ts');
      return createSqsBroker({ ...queues, leaseMs, host, group: groupOf(options), emit });
    }
    case 'pubsub': {
      const { createPubsubBroker } = await import('../lib/queues/pubsub/broker.ts');
      return createPubsubBroker({ ...queues, leaseMs, host, emit });
    }
    default:
      return queues satisfies never;
  }
};

/** A broker for each place that work comes from. */
export const brokersOf = async (options: Options, emit: Emit): Promise<QueueBroker[]> =>
  Promise.all(configuredQueues(options).map(queues => open(queues, options, emit)));
