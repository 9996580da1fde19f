import t from 'tap';
import { queueContract } from '../contracts/queue.ts';
import { openPubsub } from '../helpers/pubsub.ts';
import { needService } from '../helpers/services.ts';

t.test('Pub/Sub keeps the contract of queues', async t => {
  const host = needService(t, 'TEST_PUBSUB_HOST');
  if (host === undefined) return;
  queueContract(t, t => Promise.resolve(openPubsub(t, host)));
});
