import type { Channel, ConsumeMessage, GetMessage } from 'amqplib';
import { createTurns, type InTurn } from '../../flow/in-turn.ts';
import { orAborted } from '../../flow/wait.ts';
import type { LiveConnection } from './connection.ts';
import type { Leases } from './lease/keeper.ts';
import { commitTransaction, selectTransactions } from './transaction.ts';

/** A channel that messages are taken on. */
export interface WorkChannel {
  readonly channel: Channel;
  readonly live: LiveConnection;
  /** One thing at a time: nothing may be said on a transactional channel while it commits. */
  readonly inTurn: InTurn;
  /** Whether what is taken on it can be leased: then it is transactional. */
  readonly leased: boolean;
  /** Aborts when the channel or its connection ends; the reason is what the broker said. */
  readonly ended: AbortSignal;
}

/** Open one on a connection. */
export const openWorkChannel = async (live: LiveConnection, leases: Leases): Promise<WorkChannel> => {
  const leased = await leases.offeredOn(live);
  const channel = await live.model.createChannel();
  const ended = new AbortController();
  channel.on('error', (error: Error) => {
    ended.abort(error);
  });
  channel.on('close', () => {
    ended.abort(new Error('the channel was closed'));
  });
  await channel.prefetch(1);
  if (leased) await selectTransactions(channel);
  return { channel, live, inTurn: createTurns(), leased, ended: AbortSignal.any([ended.signal, live.ended]) };
};

/** Say something on a channel, and make it count. */
export const sayOn = async (one: WorkChannel, what: (channel: Channel) => void): Promise<void> => {
  const { channel, inTurn, leased, ended } = one;
  const said = inTurn(async () => {
    what(channel);
    if (leased) await commitTransaction(channel);
  });
  await orAborted(said, ended);
};

/** Put back a message that nobody waits for any more. */
export const giveBackOn =
  (one: WorkChannel) =>
  (message: GetMessage | ConsumeMessage): void => {
    void sayOn(one, channel => channel.nack(message, false, true)).catch(() => undefined);
  };

/** Let go of a channel that holds nothing. */
export const closeWorkChannel = async ({ channel, inTurn, ended }: WorkChannel): Promise<void> => {
  if (ended.aborted) return;
  // A channel whose connection ends meanwhile never answers.
  await orAborted(
    inTurn(() => channel.close()),
    ended,
  ).catch(() => undefined);
};
