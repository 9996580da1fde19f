import assert from 'node:assert/strict';
import t from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { needService } from '../helpers/services.ts';
import { openSqs } from '../helpers/sqs.ts';

const never = new AbortController().signal;

t.test('work that all runners of a group hold is counted, whoever asks', async t => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return;
  const scene = openSqs(t, endpoint);
  const name = await scene.declare();
  const group = `g${String(process.pid)}`;
  const [first, second, asked, stranger] = [group, group, group, `${group}x`].map(one =>
    scene.brokerWith({ group: one }),
  );
  assert.ok(first && second && asked && stranger);
  t.teardown(() => Promise.all([first, second, asked, stranger].map(broker => broker.close())));
  for (let i = 0; i < 5; i++) await scene.publish(name, String(i));
  const begun = await Promise.all(
    [first, second, stranger].map(async (broker, i) => {
      const delivery = await broker.open(name).receive(never);
      assert.ok(delivery);
      await delivery.begin(1, String(i));
      return delivery;
    }),
  );
  const taken = await first.open(name).receive(never);
  const told = async () => {
    const counts = await asked.count?.([name, 'sqs_none'], AbortSignal.timeout(10_000));
    return [counts?.waiting.get(name), counts?.leasedBy?.get(name), counts?.leased];
  };
  // One waits; one is taken; two are begun, and a third by a runner that serves something else.
  await eventually(async () => assert.deepEqual(await told(), [1, 1, 3]), { timeoutMs: 30_000, everyMs: 500 });
  await taken?.settle({ type: 'release', delayMs: 0 });
  await begun[0]?.settle({ type: 'retry', attempt: 1, history: [] });
  await eventually(async () => assert.deepEqual(await told(), [3, 0, 1]), { timeoutMs: 30_000, everyMs: 500 });
  for (const one of begun.slice(1)) await one.settle({ type: 'accept' });
  await eventually(async () => assert.deepEqual(await told(), [3, 0, 0]), { timeoutMs: 30_000, everyMs: 500 });
});
