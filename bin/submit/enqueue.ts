import { randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Options } from '../../lib/config/options.ts';
import { exchange, routingPrefix } from '../../lib/queues/rabbitmq/discovery.ts';

/** Put a message on a queue. Errors: what the broker says. */
type Enqueue = (queue: string, body: string) => Promise<void>;

/** As the client does: its exchange, a durable queue, bound by its name. A queue that is there stays as it is. */
const toRabbitmq =
  (url: string): Enqueue =>
  async (queue, body) => {
    const { connect } = await import('amqplib');
    const connection = await connect(url, { noDelay: true, timeout: 10_000 });
    connection.on('error', () => undefined);
    try {
      const probe = await connection.createChannel();
      probe.on('error', () => undefined);
      const isThere = await probe.checkQueue(queue).then(
        () => true,
        () => false,
      );
      const channel = await connection.createConfirmChannel();
      channel.on('error', () => undefined);
      await channel.assertExchange(exchange, 'topic', { durable: true, autoDelete: true });
      if (!isThere) await channel.assertQueue(queue, { durable: true });
      await channel.bindQueue(queue, exchange, routingPrefix + queue);
      channel.publish(exchange, routingPrefix + queue, Buffer.from(body), { persistent: true, mandatory: true });
      await channel.waitForConfirms();
    } finally {
      await connection.close();
    }
  };

/** Written beside the queue and renamed into it: no runner sees half a message. */
const toDirectory =
  (root: string): Enqueue =>
  async (queue, body) => {
    await mkdir(join(root, queue), { recursive: true });
    const draft = join(root, `.submit-${randomUUID()}`);
    await writeFile(draft, body);
    await rename(draft, join(root, queue, randomUUID()));
  };

const toSqs =
  ({ sqsCerts, sqsTimeoutMs: timeoutMs }: Options): Enqueue =>
  async (queue, body) => {
    const { chainAccount, readAccounts } = await import('../../lib/queues/sqs/credentials.ts');
    const { GetQueueUrlCommand, SendMessageCommand } = await import('@aws-sdk/client-sqs');
    const { accounts, faults } = await (sqsCerts === undefined ? chainAccount() : readAccounts(sqsCerts));
    const [account] = accounts;
    if (!account) throw new Error(faults.join('; ') || 'no account of AWS');
    const client = account.createClient();
    try {
      const sending = () => ({ abortSignal: AbortSignal.timeout(timeoutMs) });
      const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: queue }), sending());
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody: body }), sending());
    } finally {
      client.destroy();
    }
  };

const prefixes = { rmq: 'RabbitMQ', local: 'a directory', sqs: 'SQS' } as const;

/**
 * The way to a queue: the only source of work that the options name, else the one that the queue's name begins with (`rmq_`,
 * `local`, `sqs_`).
 * Errors: Error where that says nothing.
 */
export const enqueueFor = (queue: string, options: Options): Enqueue => {
  const [amqpUrl] = options.amqpUrls;
  const ways: Partial<Record<keyof typeof prefixes, Enqueue>> = {
    ...(amqpUrl !== undefined && { rmq: toRabbitmq(amqpUrl) }),
    ...(options.queueRoot !== undefined && { local: toDirectory(options.queueRoot) }),
    ...((options.sqsCerts !== undefined || options.sqsChain) && { sqs: toSqs(options) }),
  };
  const all = Object.values(ways);
  const [only] = all;
  if (only && all.length === 1) return only;
  const prefix = (Object.keys(prefixes) as (keyof typeof prefixes)[]).find(name => queue.startsWith(name));
  const way = prefix && ways[prefix];
  if (way) return way;
  throw new Error(
    `which broker the queue is on is not clear [queue=${queue}]: name one of --amqp-url, --queue-root and --sqs-certs`,
  );
};
