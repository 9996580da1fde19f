import { v1 } from '@google-cloud/pubsub';
import { grpc } from 'google-gax';
import type { Test } from 'tap';
import { createPubsubBroker, type PubsubSettings } from '../../lib/queues/pubsub/broker.ts';
import { pastOf } from '../../lib/queues/pubsub/copies.ts';
import type { QueueBroker } from '../../lib/queues/queue.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import type { QueueHarness } from '../contracts/queue.ts';

export interface PubsubScene extends QueueHarness {
  readonly events: RunnerEvent[];
  readonly project: string;
  readonly subscriber: v1.SubscriberClient;
  readonly publisher: v1.PublisherClient;
  brokerWith(settings: Partial<PubsubSettings>): QueueBroker;
  create(name: string, more?: Readonly<Record<string, unknown>>): Promise<void>;
}

let count = 0;

/** A Pub/Sub server as the contract's tests need it, each test with a project of its own. */
export const openPubsub = (t: Test, host: string): PubsubScene => {
  process.env['PUBSUB_EMULATOR_HOST'] = host;
  process.env['METADATA_SERVER_DETECTION'] = 'none';
  const project = `test-${String(process.pid)}-${String(++count)}`;
  const { hostname, port } = new URL(`http://${host}`);
  const options = {
    projectId: project,
    servicePath: hostname,
    port: Number(port),
    sslCreds: grpc.credentials.createInsecure(),
  };
  const publisher = new v1.PublisherClient(options);
  const subscriber = new v1.SubscriberClient(options);
  t.teardown(() => Promise.all([publisher.close(), subscriber.close()]));
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  const topic = (name: string) => `projects/${project}/topics/${name}`;
  const subscription = (name: string) => `projects/${project}/subscriptions/${name}`;
  const create: PubsubScene['create'] = async (name, more = {}) => {
    await publisher.createTopic({ name: topic(name) });
    await subscriber.createSubscription({
      name: subscription(name),
      topic: topic(name),
      ackDeadlineSeconds: 10,
      ...more,
    });
  };
  const brokerWith = (settings: Partial<PubsubSettings>) =>
    createPubsubBroker({ project, leaseMs: 60_000, host: 'testhost', emit: bus.emit, discoveryMs: 500, ...settings });
  return {
    unordered: true,
    events,
    project,
    publisher,
    subscriber,
    brokerWith,
    create,
    broker: () => brokerWith({}),
    declare: async () => {
      const name = `pubsub_${String(++count)}`;
      await create(name);
      return name;
    },
    declareResponse: async queue => {
      await create(`${queue}_response`);
      return `${queue}_response`;
    },
    delete: async queue => {
      await subscriber.deleteSubscription({ subscription: subscription(queue) });
      await publisher.deleteTopic({ topic: topic(queue) });
    },
    publish: async (queue, body) => {
      await publisher.publish({ topic: topic(queue), messages: [{ data: Buffer.from(body) }] });
    },
    deadLetters: async queue => {
      const [{ receivedMessages }] = await subscriber.pull({
        subscription: subscription(`${queue}_dead`),
        maxMessages: 10,
        returnImmediately: true,
      });
      const letters = receivedMessages ?? [];
      const ackIds = letters.map(({ ackId }) => ackId ?? '');
      if (ackIds.length > 0) {
        await subscriber.modifyAckDeadline({
          subscription: subscription(`${queue}_dead`),
          ackIds,
          ackDeadlineSeconds: 0,
        });
      }
      return letters.map(letter => ({
        body: String(letter.message?.data),
        reason: letter.message?.attributes?.['studioml-reason'] ?? '',
        message: letter.message?.attributes?.['studioml-message'] ?? '',
        history: pastOf(letter).history,
      }));
    },
  };
};
