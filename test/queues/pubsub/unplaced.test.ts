import t, { type Test } from 'tap';
import type { HistoryEntry } from '../../../lib/model/outcome.ts';
import type { Outgoing } from '../../../lib/queues/pubsub/calls.ts';
import { createPubsubAccount, type Clients } from '../../../lib/queues/pubsub/clients.ts';
import { createDelivery } from '../../../lib/queues/pubsub/delivery.ts';
import type { LeaseTopic } from '../../../lib/queues/pubsub/lease-topic.ts';

const entry: HistoryEntry = { cause: 'exited', host: 'h', at: '2026-01-01T00:00:00.000Z', message: 'code 1' };

/** A service that lets the account take messages and make no topic. */
const scene = (t: Test) => {
  const said: [what: string, of: unknown][] = [];
  const say = (what: string, of: unknown) => {
    said.push([what, of]);
    return Promise.resolve([{}]);
  };
  const clients = {
    project: 'p',
    subscriber: {
      modifyAckDeadline: (asked: { ackDeadlineSeconds: number }) => say('deadline', asked.ackDeadlineSeconds),
      acknowledge: ({ ackIds }: { ackIds: string[] }) => say('acknowledge', ackIds[0]),
      close: () => Promise.resolve(),
    },
    publisher: {
      createTopic: () => Promise.reject(Object.assign(new Error('7 PERMISSION_DENIED'), { code: 7 })),
      publish: (asked: { topic: string; messages: Outgoing[] }) => say(asked.topic, asked.messages[0]?.attributes),
      close: () => Promise.resolve(),
    },
  } as unknown as Clients;
  const found = { label: 'p', version: '', createClients: () => clients };
  const account = createPubsubAccount({ found, emit: () => undefined });
  t.teardown(() => account.close());
  const leases: LeaseTopic = {
    move: () => Promise.resolve({ subscription: 'lease', ackId: 'copy', receivedAtMs: Date.now() }),
    claimOf: () => 'lapsed',
    left: () => undefined,
    discard: () => undefined,
    close: () => Promise.resolve(),
  };
  const delivery = createDelivery({
    queue: { kind: 'pubsub', name: 'pubsub_q' },
    found: {
      account,
      leases,
      project: 'p',
      home: 'pubsub_q',
      subscription: 'projects/p/subscriptions/pubsub_q',
      topic: 'projects/p/topics/pubsub_q',
      deadLetterTopic: undefined,
    },
    received: { ackId: 'original', message: { data: Buffer.from('bad'), messageId: '1' } },
    receivedAtMs: Date.now(),
    visibilityMs: 60_000,
    now: Date.now,
    onLeft: () => undefined,
  });
  return { said, delivery };
};
const unplaced = { name: 'UnplacedLetter', remedy: /create and publish to pubsub_q_dead in p, or give pubsub_q/ };
const reject = { type: 'reject', reason: 'exited', message: 'code 1', history: [entry] } as const;

t.test('a message whose dead letter has no place is shown to others again', async t => {
  const { said, delivery } = scene(t);
  await t.rejects(delivery.settle(reject), unplaced);
  t.strictSame(said, [['deadline', 0]], 'it is not acknowledged');
});

t.test('one that was begun goes home as a counted copy, with its end', async t => {
  const { said, delivery } = scene(t);
  await delivery.begin(3, 'key');
  await t.rejects(delivery.settle(reject), unplaced);
  t.match(said, [
    ['acknowledge', 'original'],
    ['projects/p/topics/pubsub_q', { 'studioml-attempt': '3', 'studioml-history': JSON.stringify([entry]) }],
    ['acknowledge', 'copy'],
  ]);
});
