import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
  type Message,
} from '@aws-sdk/client-sqs';
import type { Test } from 'tap';
import { createSqsBroker, type SqsSettings } from '../../lib/queues/sqs/broker.ts';
import type { Accounts } from '../../lib/queues/sqs/credentials.ts';
import type { QueueBroker } from '../../lib/queues/queue.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import type { DeadLetter, QueueHarness } from '../contracts/queue.ts';

const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };

/** A client of an SQS server that takes any credentials. */
export const sqsClient = (endpoint: string): SQSClient =>
  new SQSClient({
    endpoint,
    region: 'us-east-1',
    credentials,
    requestHandler: { httpAgent: { maxSockets: 1000 } },
  });

export interface SqsScene extends QueueHarness {
  readonly client: SQSClient;
  readonly events: RunnerEvent[];
  brokerWith(settings: Partial<SqsSettings>): QueueBroker;
  url(queue: string): Promise<string>;
  create(queue: string, attributes?: Record<string, string>): Promise<string>;
  /** What can be received there, each message deleted. */
  drain(queue: string): Promise<Message[]>;
}

let count = 0;

/** An SQS server as the contract's tests need it. What a test makes there is removed after it. */
export const openSqs = (t: Test, endpoint: string): SqsScene => {
  const client = sqsClient(endpoint);
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const made = new Set<string>();
  t.teardown(async () => {
    for (const name of made) {
      const found = await client.send(new GetQueueUrlCommand({ QueueName: name })).catch(() => undefined);
      if (found) await client.send(new DeleteQueueCommand({ QueueUrl: found.QueueUrl }));
    }
    client.destroy();
  });
  const url = async (name: string) => (await client.send(new GetQueueUrlCommand({ QueueName: name }))).QueueUrl ?? '';
  const create = async (name: string, Attributes: Record<string, string> = {}) => {
    made.add(name);
    made.add(`${name}_dead`);
    return (await client.send(new CreateQueueCommand({ QueueName: name, Attributes }))).QueueUrl ?? '';
  };
  const drain = async (name: string): Promise<Message[]> => {
    const QueueUrl = await url(name).catch(() => undefined);
    if (QueueUrl === undefined) return [];
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: 10,
        VisibilityTimeout: 0,
        MessageAttributeNames: ['All'],
      }),
    );
    return Messages;
  };
  const accounts = (): Promise<Accounts> =>
    Promise.resolve({
      accounts: [{ label: 'test', version: '', createClient: () => sqsClient(endpoint) }],
      faults: [],
    });
  const brokerWith = (settings: Partial<SqsSettings>) =>
    createSqsBroker({
      timeoutMs: 15_000,
      leaseMs: 60_000,
      host: 'testhost',
      emit: bus.emit,
      discoveryMs: 500,
      read: accounts,
      ...settings,
    });
  return {
    client,
    events,
    url,
    create,
    drain,
    brokerWith,
    declare: async () => {
      const name = `sqs_${String(process.pid)}_${String(Date.now())}_${String(++count)}`;
      await create(name);
      return name;
    },
    declareResponse: async queue => {
      await create(`${queue}_response`);
      return `${queue}_response`;
    },
    delete: async queue => {
      await client.send(new DeleteQueueCommand({ QueueUrl: await url(queue) }));
    },
    publish: async (queue, body) => {
      await client.send(new SendMessageCommand({ QueueUrl: await url(queue), MessageBody: body }));
    },
    deadLetters: async queue =>
      (await drain(`${queue}_dead`)).map(({ Body, MessageAttributes = {} }): DeadLetter => ({
        body: Body ?? '',
        reason: MessageAttributes['studioml-reason']?.StringValue ?? '',
        message: MessageAttributes['studioml-message']?.StringValue ?? '',
        history: JSON.parse(MessageAttributes['studioml-history']?.StringValue ?? '[]') as DeadLetter['history'],
      })),
    broker: () => brokerWith({}),
  };
};
