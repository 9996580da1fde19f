import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { GetQueueAttributesCommand, ListQueuesCommand } from '@aws-sdk/client-sqs';
import t, { type Test } from 'tap';
import type { Delivery } from '../../lib/model/delivery.ts';
import type { WorkQueue } from '../../lib/queues/queue.ts';
import { eventually } from '../helpers/eventually.ts';
import { needService } from '../helpers/services.ts';
import { openSqs, sqsClient, type SqsScene } from '../helpers/sqs.ts';
import { startTcpProxy, type TcpProxy } from '../helpers/tcp-proxy.ts';

const never = new AbortController().signal;

const take = async (queue: WorkQueue, signal: AbortSignal = AbortSignal.timeout(20_000)): Promise<Delivery> => {
  for (;;) {
    const delivery = (await queue.receive(signal)) ?? (await queue.wait(signal));
    if (delivery) return delivery;
  }
};

const open = async (
  t: Test,
): Promise<(SqsScene & { readonly name: string; readonly endpoint: string }) | undefined> => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return undefined;
  const scene = openSqs(t, endpoint);
  return { ...scene, endpoint, name: await scene.declare() };
};

/** A broker whose way to SQS can fail. */
const brokerThrough = async (t: Test, scene: SqsScene & { readonly endpoint: string }, leaseMs: number) => {
  const { hostname, port } = new URL(scene.endpoint);
  const proxy: TcpProxy = await startTcpProxy({ host: hostname, port: Number(port) });
  t.teardown(() => proxy.close());
  const createClient = () => sqsClient(`http://127.0.0.1:${String(proxy.port)}`);
  const broker = scene.brokerWith({
    leaseMs,
    timeoutMs: 2000,
    read: () => Promise.resolve({ accounts: [{ label: 'cut', version: '', createClient }], faults: [] }),
  });
  t.teardown(() => broker.close());
  return { broker, proxy };
};

const leaseQueues = async ({ client }: SqsScene): Promise<readonly string[]> =>
  (await client.send(new ListQueuesCommand({ QueueNamePrefix: 'studioml_lease_' }))).QueueUrls ?? [];

const countsOf = async (scene: SqsScene, name: string) => {
  const { Attributes = {} } = await scene.client.send(
    new GetQueueAttributesCommand({ QueueUrl: await scene.url(name), AttributeNames: ['All'] }),
  );
  return [Attributes.ApproximateNumberOfMessages, Attributes.ApproximateNumberOfMessagesNotVisible].map(Number);
};

t.test('what a runner that died had begun comes home counted, with its end in the history', async t => {
  const scene = await open(t);
  if (!scene) return;
  const { broker, proxy } = await brokerThrough(t, scene, 6000);
  const other = scene.brokerWith({ leaseMs: 6000 });
  t.teardown(() => other.close());
  await scene.publish(scene.name, 'begun');
  const delivery = await take(broker.open(scene.name));
  await delivery.begin(1, 'key');
  const diedAt = performance.now();
  proxy.refuse();
  const again = await take(other.open(scene.name), AbortSignal.timeout(60_000));
  t.comment(`taken over ${((performance.now() - diedAt) / 1000).toFixed(1)} s after, with a lease of 6 s`);
  t.equal(again.body.toString(), 'begun');
  t.equal(again.attemptsBefore, 1);
  t.match(again.history, [{ cause: 'runner-died', host: 'testhost' }]);
  await eventually(() => {
    assert.ok(delivery.lost.aborted);
  });
  t.match(delivery.lost.reason, { code: 'lease-lost' });
  await t.rejects(delivery.settle({ type: 'accept' }), { message: /not held any more/ });
  await again.settle({ type: 'accept' });
  t.strictSame(await countsOf(scene, scene.name), [0, 0]);
});

t.test('what the only runner there is could not keep comes home too, counted', async t => {
  const scene = await open(t);
  if (!scene) return;
  const { broker, proxy } = await brokerThrough(t, scene, 6000);
  const queue = broker.open(scene.name);
  await scene.publish(scene.name, 'begun');
  const delivery = await take(queue);
  await delivery.begin(1, 'key');
  proxy.refuse();
  await eventually(() => assert.ok(delivery.lost.aborted), { timeoutMs: 30_000 });
  await t.rejects(delivery.settle({ type: 'accept' }), { message: /not held any more/ });
  proxy.accept();
  const again = await take(queue, AbortSignal.timeout(60_000));
  t.equal(again.body.toString(), 'begun');
  t.match(again, { attemptsBefore: 1, history: [{ cause: 'runner-died', host: 'testhost' }] });
  await again.begin(2, 'key');
  await again.settle({ type: 'accept' });
  t.strictSame(await countsOf(scene, scene.name), [0, 0]);
});

t.test('what a runner that died had not begun comes home uncounted', async t => {
  const scene = await open(t);
  if (!scene) return;
  const { broker, proxy } = await brokerThrough(t, scene, 3000);
  await scene.publish(scene.name, 'taken');
  await take(broker.open(scene.name));
  proxy.refuse();
  const other = scene.brokerWith({});
  t.teardown(() => other.close());
  const again = await take(other.open(scene.name));
  t.match(again, { attemptsBefore: 0, history: [] });
  await again.settle({ type: 'accept' });
});

t.test('work that takes longer than its visibility timeout and its receipt is kept, and settled once', async t => {
  const scene = await open(t);
  if (!scene) return;
  // Other tests make lease queues meanwhile.
  const group = randomBytes(6).toString('hex');
  const broker = scene.brokerWith({ leaseMs: 15_000, ceilingMs: 4000, group });
  const other = scene.brokerWith({ leaseMs: 15_000 });
  t.teardown(() => Promise.all([broker.close(), other.close()]));
  await scene.publish(scene.name, 'long');
  const delivery = await take(broker.open(scene.name));
  await delivery.begin(1, 'key');
  const mine = (await leaseQueues(scene)).find(url => url.includes(`/studioml_lease_${group}-`)) ?? '';
  const lease = mine.slice(mine.lastIndexOf('/') + 1);
  const elsewhere = other.open(scene.name);
  const until = performance.now() + 14_000;
  while (performance.now() < until) {
    t.equal(await elsewhere.receive(never), undefined);
    await delay(1000);
  }
  t.equal(delivery.lost.aborted, false);
  t.strictSame(await countsOf(scene, lease), [0, 1], 'one copy, however often the receipt was exchanged');
  await delivery.settle({ type: 'accept' });
  t.strictSame(await countsOf(scene, lease), [0, 0]);
  t.strictSame(await countsOf(scene, scene.name), [0, 0]);
  await broker.close();
  t.notOk((await leaseQueues(scene)).includes(mine), 'a lease queue that is empty goes with its runner');
});

t.test('a lost extension is survived, and told once', async t => {
  const scene = await open(t);
  if (!scene) return;
  const { broker, proxy } = await brokerThrough(t, scene, 9000);
  await scene.publish(scene.name, 'held');
  const queue = broker.open(scene.name);
  const delivery = await take(queue);
  proxy.refuse();
  await delay(3000);
  proxy.accept();
  await delay(6000);
  t.equal(delivery.lost.aborted, false);
  await delivery.settle({ type: 'accept' });
  t.strictSame(await countsOf(scene, scene.name), [0, 0]);
});

t.test('a broker that goes and comes back is waited for', async t => {
  const scene = await open(t);
  if (!scene) return;
  const { broker, proxy } = await brokerThrough(t, scene, 9000);
  const queue = broker.open(scene.name);
  t.equal(await queue.receive(never), undefined);
  const taken = take(queue, AbortSignal.timeout(60_000));
  await delay(200);
  proxy.refuse();
  await eventually(() => {
    assert.ok(scene.events.some(({ event }) => event === 'broker-lost'));
  });
  await scene.publish(scene.name, 'after');
  proxy.accept();
  const delivery = await taken;
  t.equal(delivery.body.toString(), 'after');
  await delivery.settle({ type: 'accept' });
  t.match(
    scene.events.findLast(({ event }) => event.startsWith('broker-')),
    { event: 'broker-connected' },
  );
});
