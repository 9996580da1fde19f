import { responseQueueOf, type Reporter } from '../queue.ts';
import { publish } from './calls.ts';
import type { FoundSubscription } from './delivery.ts';
import { faultOf } from './faults.ts';

/**
 * Reports on the topic `<queue>_response` in the project of the work queue, where the client made it. Source: spec "Reports".
 * @param find the work queue; undefined while no such queue is known
 */
export const createPubsubReporter = (find: () => FoundSubscription | undefined): Reporter => ({
  publish: async (body, signal) => {
    const found = find();
    if (!found) return false;
    const { account, project, home } = found;
    const topic = `projects/${project}/topics/${responseQueueOf(home)}`;
    try {
      const message = { data: Buffer.from(body), attributes: {} };
      await account.call((clients, options) => publish(clients, options, topic, message), { signal });
      return true;
    } catch (error) {
      if (faultOf(error) === 'queue-gone') return false;
      throw error;
    }
  },
});
