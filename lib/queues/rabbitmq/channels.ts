import type { Channel, ChannelModel } from 'amqplib';
import { orAborted } from '../../flow/wait.ts';
import type { Connection, LiveConnection } from './connection.ts';

const notFound = 404;

/** Whether the broker said that there is no such queue. */
export const isNotFound = (error: unknown): boolean => (error as { code?: unknown } | undefined)?.code === notFound;

const accessRefused = 403;

/** Whether the broker said that this user may not do that. */
export const isAccessRefused = (error: unknown): boolean =>
  (error as { code?: unknown } | undefined)?.code === accessRefused;

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

/** Do something on the connection as it stands; where it ends under that, again on the next one. Errors: the work's, the signal's reason. */
export const onConnection = async <T>(
  connection: Connection,
  signal: AbortSignal,
  work: (live: LiveConnection, signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  for (;;) {
    const live = await connection.current(signal);
    try {
      return await orAborted(work(live, signal), AbortSignal.any([signal, live.ended]));
    } catch (error) {
      signal.throwIfAborted();
      if (!live.ended.aborted) throw error;
    }
  }
};
