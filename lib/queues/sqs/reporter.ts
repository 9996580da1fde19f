import { GetQueueUrlCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { responseQueueOf, type Reporter } from '../queue.ts';
import { faultOf } from './faults.ts';
import type { FoundQueue } from './work-queue.ts';

/** Whether a response queue is there is asked again after this long, ms. */
const missingForMs = 10_000;

/**
 * Reports to `<queue>_response` in the account of the work queue, where the client made it. Source: spec "Reports".
 * @param find the work queue; undefined while no such queue is known
 */
export const createSqsReporter = (find: () => FoundQueue | undefined, now: () => number): Reporter => {
  let url: string | undefined;
  let missingSinceMs = -Infinity;

  const publish = async (body: string, signal: AbortSignal): Promise<boolean> => {
    const found = find();
    if (!found || now() - missingSinceMs < missingForMs) return false;
    const { account, home } = found;
    try {
      if (url === undefined) {
        const answer = await account.call(
          (client, options) => client.send(new GetQueueUrlCommand({ QueueName: responseQueueOf(home) }), options),
          { signal },
        );
        url = answer.QueueUrl ?? '';
      }
      const QueueUrl = url;
      await account.call(
        (client, options) => client.send(new SendMessageCommand({ QueueUrl, MessageBody: body }), options),
        { signal },
      );
      return true;
    } catch (error) {
      if (faultOf(error) !== 'queue-gone') throw error;
      url = undefined;
      missingSinceMs = now();
      return false;
    }
  };
  return { publish };
};
