import { randomUUID } from 'node:crypto';
import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChannelModel } from 'amqplib';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { configuredQueues, type ConfiguredQueues } from '../../lib/config/configured-queues.ts';
import type { Options } from '../../lib/config/options.ts';
import type { QueueKind } from '../../lib/model/delivery.ts';
import { makeDirectory } from '../../lib/workspace/make-directory.ts';
import { unreachable } from '../unreachable.ts';

/** The way to one queue. Errors: what the broker says. */
export interface QueueWay {
  readonly kind: QueueKind;
  /** Put a message on it. */
  send(body: string): Promise<void>;
  /** How many messages lie on it; undefined where the broker does not tell. */
  readonly depth: () => Promise<number | undefined>;
}

type Of<K extends QueueKind> = Extract<ConfiguredQueues, { readonly kind: K }>;

/** As the client does: its exchange, a durable queue, bound by its name. A queue that is there stays as it is. */
const rabbitmqWay = ({ url }: Of<'rabbitmq'>, queue: string): QueueWay => {
  const connected = async <T>(work: (connection: ChannelModel) => Promise<T>): Promise<T> => {
    const { connect } = await import('amqplib');
    const connection = await connect(url, { noDelay: true, timeout: 10_000 }).catch((error: unknown) => {
      throw unreachable(url, error);
    });
    connection.on('error', () => undefined);
    try {
      return await work(connection);
    } finally {
      await connection.close().catch(() => undefined);
    }
  };
  const countIn = async (connection: ChannelModel): Promise<number | undefined> => {
    const probe = await connection.createChannel();
    probe.on('error', () => undefined);
    return probe.checkQueue(queue).then(
      ({ messageCount }) => messageCount,
      () => undefined,
    );
  };
  return {
    kind: 'rabbitmq',
    depth: () => connected(countIn),
    send: body =>
      connected(async connection => {
        const { exchange, routingPrefix } = await import('../../lib/queues/rabbitmq/discovery.ts');
        const isThere = (await countIn(connection)) !== undefined;
        const channel = await connection.createConfirmChannel();
        channel.on('error', () => undefined);
        await channel.assertExchange(exchange, 'topic', { durable: true, autoDelete: true });
        if (!isThere) await channel.assertQueue(queue, { durable: true });
        await channel.bindQueue(queue, exchange, routingPrefix + queue);
        channel.publish(exchange, routingPrefix + queue, Buffer.from(body), { persistent: true, mandatory: true });
        await channel.waitForConfirms();
      }),
  };
};

/** Written beside the queue and renamed into it: no runner sees half a message. */
const directoryWay = ({ root }: Of<'directory'>, queue: string): QueueWay => ({
  kind: 'directory',
  depth: async () => {
    const { isMessage } = await import('../../lib/queues/directory/paths.ts');
    return (await readdir(join(root, queue))).filter(isMessage).length;
  },
  send: async body => {
    await makeDirectory(join(root, queue));
    const draft = join(root, `.submit-${randomUUID()}`);
    await writeFile(draft, body);
    await rename(draft, join(root, queue, randomUUID()));
  },
});

const sqsWay = ({ certs, timeoutMs }: Of<'sqs'>, queue: string): QueueWay => {
  const withQueue = async <T>(work: (client: SQSClient, url: string) => Promise<T>): Promise<T> => {
    const { configuredAccounts } = await import('../../lib/queues/sqs/credentials.ts');
    const { GetQueueUrlCommand } = await import('@aws-sdk/client-sqs');
    const { accounts, faults } = await configuredAccounts(certs);
    const [account] = accounts;
    if (!account) throw new Error(faults.join('; ') || 'no account of AWS');
    const client = account.createClient();
    try {
      const found = new GetQueueUrlCommand({ QueueName: queue });
      const { QueueUrl = '' } = await client.send(found, { abortSignal: AbortSignal.timeout(timeoutMs) });
      return await work(client, QueueUrl);
    } finally {
      client.destroy();
    }
  };
  return {
    kind: 'sqs',
    depth: () =>
      withQueue(async (client, QueueUrl) => {
        const { GetQueueAttributesCommand } = await import('@aws-sdk/client-sqs');
        const asked = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] });
        const { Attributes } = await client.send(asked, { abortSignal: AbortSignal.timeout(timeoutMs) });
        return Number(Attributes?.['ApproximateNumberOfMessages'] ?? 0);
      }),
    send: body =>
      withQueue(async (client, QueueUrl) => {
        const { SendMessageCommand } = await import('@aws-sdk/client-sqs');
        const sent = new SendMessageCommand({ QueueUrl, MessageBody: body });
        await client.send(sent, { abortSignal: AbortSignal.timeout(timeoutMs) });
      }),
  };
};

/** As the client does: a topic and a subscription of one name, in the first project. What is there stays as it is. */
const pubsubWay = ({ certs, project }: Of<'pubsub'>, queue: string): QueueWay => ({
  kind: 'pubsub',
  depth: () => Promise.resolve(undefined),
  send: async body => {
    const { configuredProjects, createPubsubAccount } = await import('../../lib/queues/pubsub/clients.ts');
    const { createPair, publish } = await import('../../lib/queues/pubsub/calls.ts');
    const { projects, faults } = await configuredProjects(certs, project);
    const [found] = projects;
    if (!found) throw new Error(faults.join('; ') || 'no project of Google');
    const account = createPubsubAccount({ found, emit: () => undefined });
    try {
      const signal = new AbortController().signal;
      await account.call((clients, call) => createPair(clients, call, queue), { signal });
      await account.call(
        (clients, call) =>
          publish(clients, call, `projects/${clients.project}/topics/${queue}`, {
            data: Buffer.from(body),
            attributes: {},
          }),
        { signal },
      );
    } finally {
      account.close();
    }
  },
});

const wayTo = (place: ConfiguredQueues, queue: string): QueueWay => {
  switch (place.kind) {
    case 'rabbitmq':
      return rabbitmqWay(place, queue);
    case 'directory':
      return directoryWay(place, queue);
    case 'sqs':
      return sqsWay(place, queue);
    case 'pubsub':
      return pubsubWay(place, queue);
    default:
      return place satisfies never;
  }
};

const prefixes: readonly (readonly [prefix: string, kind: QueueKind])[] = [
  ['rmq', 'rabbitmq'],
  ['local', 'directory'],
  ['sqs', 'sqs'],
  ['pubsub', 'pubsub'],
];

/**
 * The way to a queue: the only source of work that the options name, else the first of the kind that the queue's name begins with
 * (`rmq_`, `local`, `sqs_`, `pubsub_`).
 * Errors: Error where that says nothing.
 */
export const queueWayFor = (queue: string, options: Options): QueueWay => {
  const places = configuredQueues(options);
  const kinds = new Set(places.map(({ kind }) => kind));
  const named = prefixes.find(([prefix]) => queue.startsWith(prefix))?.[1];
  const [place] = kinds.size === 1 ? places : places.filter(({ kind }) => kind === named);
  if (place) return wayTo(place, queue);
  throw new Error(
    `which broker the queue is on is not clear [queue=${queue}]: name one of --amqp-url, --queue-root, --sqs-certs, --pubsub-certs and --pubsub-project`,
  );
};
