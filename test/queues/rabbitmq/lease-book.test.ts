import type { Channel, ConsumeMessage, Message, MessageProperties } from 'amqplib';
import t from 'tap';
import { createTurns } from '../../../lib/flow/in-turn.ts';
import { headerNames } from '../../../lib/queues/rabbitmq/message.ts';
import { LeaseBook } from '../../../lib/queues/rabbitmq/lease/book.ts';
import { LeaseEntry } from '../../../lib/queues/rabbitmq/lease/entry.ts';
import type { LeaseSession } from '../../../lib/queues/rabbitmq/lease/session.ts';

/** A channel that is as strict as the broker: what is acknowledged twice is an error. */
const openScene = () => {
  const acked: number[] = [];
  let published = 0;
  const channel = {
    publish: () => {
      published += 1;
      return true;
    },
    ack: ({ fields: { deliveryTag } }: Message) => {
      if (acked.includes(deliveryTag)) throw new Error(`unknown delivery tag ${String(deliveryTag)}`);
      acked.push(deliveryTag);
    },
  } as unknown as Channel;
  const inTurn = createTurns();
  const session = {
    ended: new AbortController().signal,
    transact: (burst: (channel: Channel) => void) =>
      inTurn(() => {
        burst(channel);
        return Promise.resolve();
      }),
  } as LeaseSession;
  const book = new LeaseBook();
  const properties = { headers: {} } as MessageProperties;
  const parts = { id: 'one', queue: 'work', lock: 'lock', body: Buffer.from('x'), properties, headers: {} };
  const entry = new LeaseEntry(parts);
  entry.state = 'held';
  book.add(entry);
  const arrive = (tag: number, late = false) => {
    const headers = { [headerNames.leaseId]: 'one', [headerNames.leaseTurn]: entry.turn };
    const message = { fields: { deliveryTag: tag, routingKey: 'work' }, properties: { headers }, content: parts.body };
    book.arrive(message as unknown as ConsumeMessage, session, late);
  };
  return { book, entry, session, acked, arrive, published: () => published };
};

t.test('a copy that is settled while its renewal waits for its turn is not renewed', async t => {
  const { book, entry, session, acked, arrive, published } = openScene();
  arrive(1);
  const renewed = book.renew(session);
  const { copy } = entry;
  entry.copy = undefined;
  await session.transact(channel => channel.ack({ fields: { deliveryTag: copy?.tag } } as Message));
  await renewed;
  t.strictSame(acked, [1]);
  t.equal(published(), 0);
});

t.test('two renewals at once are one', async t => {
  const { book, session, acked, arrive, published } = openScene();
  arrive(1, true);
  await book.renew(session);
  t.strictSame(acked, [1]);
  t.equal(published(), 1);
});

t.test('who waits for a copy gets one that is not being renewed', async t => {
  const { entry, acked, arrive, session } = openScene();
  const waiting = entry.awaitCopy(new AbortController().signal);
  arrive(1, true);
  await session.transact(() => undefined);
  arrive(2);
  const copy = await waiting;
  t.equal(copy?.tag, 2);
  t.equal(entry.copy, copy);
  t.strictSame(acked, [1]);
});

t.test('what goes home while it is being settled goes once', async t => {
  const { book, session, acked, arrive } = openScene();
  arrive(1);
  await Promise.all([book.renew(session), book.returnAll(session)]);
  t.strictSame(acked, [1]);
});
