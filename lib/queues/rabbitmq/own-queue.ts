import type { ChannelModel } from 'amqplib';
import { isNotFound, onThrowAwayChannel } from './channels.ts';

const preconditionFailed = 406;

/**
 * A durable queue of the runner's own, made where it is not there. It is classic whatever the vhost's default: looking at dead letters
 * gives them back, which quorum queues count. One that is there is used as it is: an operator, or a runner before this one, made
 * it in another way.
 * Errors: those of the broker (403 where the user may not declare queues).
 */
export const declareOwnQueue = async (model: ChannelModel, name: string): Promise<void> => {
  try {
    await onThrowAwayChannel(model, channel => channel.checkQueue(name));
    return;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  try {
    await onThrowAwayChannel(model, channel =>
      channel.assertQueue(name, { durable: true, arguments: { 'x-queue-type': 'classic' } }),
    );
  } catch (error) {
    // Made by somebody else just now.
    if ((error as { code?: unknown }).code !== preconditionFailed) throw error;
  }
};
