import { hostname } from 'node:os';
import type { Options } from '../lib/config/options.ts';
import type { QueueBroker } from '../lib/queues/queue.ts';
import type { Emit } from '../lib/telemetry/events.ts';

/** Drivers are loaded when their options ask for them, so that an idle runner stays small. */
export const brokersOf = async (options: Options, emit: Emit): Promise<QueueBroker[]> => {
  const brokers: QueueBroker[] = [];
  const { leaseMs } = options;
  if (options.amqpUrls.length > 0) {
    const { createRabbitmqBroker } = await import('../lib/queues/rabbitmq/broker.ts');
    for (const [index, url] of options.amqpUrls.entries()) {
      const managementUrl = options.amqpMgtUrls[index];
      brokers.push(createRabbitmqBroker({ url, managementUrl, queues: options.amqpQueues, leaseMs, emit }));
    }
  }
  if (options.queueRoot !== undefined) {
    const { createDirectoryBroker } = await import('../lib/queues/directory/broker.ts');
    const runnerId = `${hostname()}-${String(process.pid)}`;
    brokers.push(createDirectoryBroker({ root: options.queueRoot, runnerId, leaseMs, emit }));
  }
  if (options.sqsCerts !== undefined || options.sqsChain) {
    const { createSqsBroker } = await import('../lib/queues/sqs/broker.ts');
    const { sqsCerts: certs, sqsTimeoutMs: timeoutMs, leaseMs } = options;
    brokers.push(createSqsBroker({ certs, timeoutMs, leaseMs, host: hostname(), emit }));
  }
  if (options.pubsubCerts !== undefined || options.pubsubProject !== undefined) {
    const { createPubsubBroker } = await import('../lib/queues/pubsub/broker.ts');
    const { pubsubCerts: certs, pubsubProject: project, leaseMs } = options;
    brokers.push(createPubsubBroker({ certs, project, leaseMs, host: hostname(), emit }));
  }
  return brokers;
};
