import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import t, { type Test } from 'tap';
import type { Delivery } from '../../lib/model/delivery.ts';
import type { HistoryEntry } from '../../lib/model/outcome.ts';
import type { WorkQueue } from '../../lib/queues/queue.ts';
import { needService } from '../helpers/services.ts';
import { openSqs } from '../helpers/sqs.ts';

const entry: HistoryEntry = { cause: 'exited', host: 'elsewhere', at: '2026-01-01T00:00:00.000Z', message: 'code 1' };

const take = async (queue: WorkQueue): Promise<Delivery> => {
  const signal = AbortSignal.timeout(20_000);
  for (;;) {
    const delivery = (await queue.receive(signal)) ?? (await queue.wait(signal));
    if (delivery) return delivery;
  }
};

/** One message, turned away before it began and after: it comes again each time, as often counted as it was begun. */
const comesBack = async (t: Test, queue: WorkQueue, remedy: RegExp) => {
  const refuse = async (delivery: Delivery) => {
    const refused = delivery.settle({ type: 'reject', reason: 'exited', message: 'code 1', history: [entry] });
    await t.rejects(refused, { name: 'UnplacedLetter', remedy });
  };
  const first = await take(queue);
  await refuse(first);
  const second = await take(queue);
  t.match(second, { attemptsBefore: 0, history: [] }, 'it was never begun');
  await second.begin(3, 'key');
  await refuse(second);
  const third = await take(queue);
  t.equal(third.body.toString(), 'bad');
  t.match(third, { attemptsBefore: 3, history: [entry] });
  await third.settle({ type: 'accept' });
};

t.test('SQS: the target of the redrive policy is gone', async t => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return;
  const scene = openSqs(t, endpoint);
  const [name, target] = [`sqs_unplaced_${String(process.pid)}`, `sqs_target_${String(process.pid)}`];
  const { Attributes = {} } = await scene.client.send(
    new GetQueueAttributesCommand({ QueueUrl: await scene.create(target), AttributeNames: ['QueueArn'] }),
  );
  await scene.create(name, {
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: Attributes.QueueArn, maxReceiveCount: 5 }),
  });
  await scene.delete(target);
  const broker = scene.broker();
  t.teardown(() => broker.close());
  await scene.publish(name, 'bad');
  await comesBack(
    t,
    broker.open(name),
    new RegExp(`sqs:CreateQueue .* ${name}_dead, or give ${name} a redrive policy`),
  );
});
