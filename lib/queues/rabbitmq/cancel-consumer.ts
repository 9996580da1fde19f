import type { Channel } from 'amqplib';

/** Numbers of the method `basic.cancel`. Source: AMQP 0-9-1, "The Basic Class". */
const basic = 60;
const cancel = 30;

/** amqplib waits for the broker's answer to a cancel, and says nothing else meanwhile; these its types leave out. */
interface Sender {
  sendImmediately(method: number, fields: object): void;
  unregisterConsumer(tag: string): void;
}

/** What the broker said before it read the cancel comes within this time, ms: the consumer still hears it. */
const lateMs = 10_000;

/**
 * Cancel a consumer without waiting for the broker's answer: what is said next on the channel follows at once. Only for a consumer
 * that holds as many messages as its prefetch allows, so that none is on its way.
 */
export const cancelConsumer = (channel: Channel, consumerTag: string): void => {
  const sender = channel as unknown as Sender;
  sender.sendImmediately((basic << 16) | cancel, { consumerTag, nowait: true });
  setTimeout(() => {
    sender.unregisterConsumer(consumerTag);
  }, lateMs).unref();
};
