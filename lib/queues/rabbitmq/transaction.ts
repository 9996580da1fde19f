import type { Channel } from 'amqplib';

/** Numbers of the class `tx` and of its methods. Source: AMQP 0-9-1, "The Tx Class". */
const tx = 90;
const select = 10;
const commit = 20;
/** The answer to a method has the number after it. */
const answerTo = (method: number): number => method + 1;

/** amqplib knows these methods on the wire and offers no call for them; its `rpc` takes their numbers. Its types leave it out. */
interface Rpc {
  rpc(method: number, fields: object, expected: number): Promise<unknown>;
}

const call = async (channel: Channel, method: number): Promise<void> => {
  const id = (number: number) => (tx << 16) | number;
  await (channel as unknown as Rpc).rpc(id(method), {}, id(answerTo(method)));
};

/** From now on what this channel publishes and acknowledges counts only once it is committed, all of it or nothing. */
export const selectTransactions = (channel: Channel): Promise<void> => call(channel, select);

/**
 * While it is not answered nothing else may be said on the channel: the broker ends the connection over it.
 * Resolves when what was published and acknowledged since the last commit is done, and safe on disk where it is durable.
 */
export const commitTransaction = (channel: Channel): Promise<void> => call(channel, commit);
