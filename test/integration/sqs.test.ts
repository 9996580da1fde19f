import t from 'tap';
import { queueContract } from '../contracts/queue.ts';
import { needService } from '../helpers/services.ts';
import { openSqs } from '../helpers/sqs.ts';

t.test('SQS keeps the contract of queues', async t => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return;
  queueContract(t, t => Promise.resolve(openSqs(t, endpoint)));
});
