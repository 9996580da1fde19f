import type { Channel } from 'amqplib';

/** Numbers of the method `basic.cancel`. Source: AMQP 0-9-1, "The Basic Class". */
const basic = 60;
const cancel = 30;

/** amqplib waits for the broker's answer to a cancel, and says nothing else meanwhile; these its types leave out. */
interface Sender {
  sendImmediately(method: number, fields: object): void;
  unregisterConsumer(tag: string): void;
}

/** What the broker said before it read the cancel comes within this time, or the connection ends by its heartbeats, ms. */
const lateMs = 60_000;

/**
 * Cancel a consumer without waiting for the broker's answer: what is said next on the channel follows at once. The
 * consumer still hears of messages that were on their way.
 */
export const cancelConsumer = (channel: Channel, consumerTag: string): void => {
  const sender = channel as unknown as Sender;
  sender.sendImmediately((basic << 16) | cancel, { consumerTag, nowait: true });
  setTimeout(() => {
    sender.unregisterConsumer(consumerTag);
  }, lateMs).unref();
};
