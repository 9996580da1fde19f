import type { Channel, ChannelModel } from 'amqplib';

const notFound = 404;

/** Whether the broker said that there is no such queue. */
export const isNotFound = (error: unknown): boolean => (error as { code?: unknown } | undefined)?.code === notFound;

/** Ask something on a channel that is thrown away: the broker closes a channel on which it refuses something. */
export const onThrowAwayChannel = async <T>(model: ChannelModel, ask: (channel: Channel) => Promise<T>): Promise<T> => {
  const channel = await model.createChannel();
  let closed = false;
  channel.on('error', () => undefined);
  channel.on('close', () => {
    closed = true;
  });
  try {
    return await ask(channel);
  } finally {
    // Not waited for: on a connection that ends meanwhile it is never answered.
    if (!closed) void channel.close().catch(() => undefined);
  }
};
