import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { runCheck } from '../../bin/check.ts';
import { queueChecks } from '../../bin/checks/queues.ts';
import { loadOptions } from '../../lib/config/load.ts';
import type { Delivery } from '../../lib/model/delivery.ts';
import type { WorkQueue } from '../../lib/queues/queue.ts';
import { eventually } from '../helpers/eventually.ts';
import { openPubsub } from '../helpers/pubsub.ts';
import { needService } from '../helpers/services.ts';
import { startTcpProxy } from '../helpers/tcp-proxy.ts';

const never = new AbortController().signal;

const take = async (queue: WorkQueue, signal: AbortSignal = AbortSignal.timeout(20_000)): Promise<Delivery> => {
  for (;;) {
    const delivery = (await queue.receive(signal)) ?? (await queue.wait(signal));
    if (delivery) return delivery;
  }
};

t.test('what a runner that died had begun comes home counted, with its end in the history', async t => {
  const host = needService(t, 'TEST_PUBSUB_HOST');
  if (host === undefined) return;
  const scene = openPubsub(t, host);
  const name = await scene.declare();
  const { hostname, port } = new URL(`http://${host}`);
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  t.teardown(() => proxy.close());
  process.env['PUBSUB_EMULATOR_HOST'] = `127.0.0.1:${String(proxy.port)}`;
  const dying = scene.brokerWith({ leaseMs: 15_000 });
  t.teardown(() => dying.close());
  await scene.publish(name, 'begun');
  const delivery = await take(dying.open(name));
  await delivery.begin(1, 'key');
  process.env['PUBSUB_EMULATOR_HOST'] = host;
  const other = scene.brokerWith({ leaseMs: 15_000 });
  t.teardown(() => other.close());
  t.equal(await other.open(name).receive(never), undefined);
  proxy.refuse();
  const again = await take(other.open(name), AbortSignal.timeout(60_000));
  t.match(again, { attemptsBefore: 1, history: [{ cause: 'runner-died', host: 'testhost' }] });
  t.equal(again.body.toString(), 'begun');
  await eventually(() => assert.ok(delivery.lost.aborted), { timeoutMs: 20_000 });
  t.match(delivery.lost.reason, { code: 'lease-lost' });
  await again.settle({ type: 'accept' });
});

t.test('work that takes longer than its deadline is kept, and settled once', async t => {
  const host = needService(t, 'TEST_PUBSUB_HOST');
  if (host === undefined) return;
  const scene = openPubsub(t, host);
  const name = await scene.declare();
  const [broker, other] = [scene.brokerWith({ leaseMs: 15_000 }), scene.brokerWith({ leaseMs: 15_000 })];
  t.teardown(() => Promise.all([broker.close(), other.close()]));
  await scene.publish(name, 'long');
  const delivery = await take(broker.open(name));
  await delivery.begin(1, 'key');
  const elsewhere = other.open(name);
  for (let second = 0; second < 25; second++) {
    assert.equal(await elsewhere.receive(never), undefined);
    await delay(1000);
  }
  t.equal(delivery.lost.aborted, false);
  await delivery.settle({ type: 'accept' });
  t.equal(await elsewhere.receive(never), undefined);
});

t.test('dead letters go to the topic of the policy, releases are not counted there', async t => {
  const host = needService(t, 'TEST_PUBSUB_HOST');
  if (host === undefined) return;
  const scene = openPubsub(t, host);
  await scene.create('pubsub_letters');
  const deadLetterTopic = `projects/${scene.project}/topics/pubsub_letters`;
  await scene.create('pubsub_policy', { deadLetterPolicy: { deadLetterTopic, maxDeliveryAttempts: 5 } });
  const broker = scene.broker();
  t.teardown(() => broker.close());
  await scene.publish('pubsub_policy', 'bad');
  const queue = broker.open('pubsub_policy');
  for (let times = 0; times < 7; times++) {
    const delivery = await take(queue);
    t.equal(delivery.attemptsBefore, 0);
    await delivery.settle({ type: 'release', delayMs: 0 });
  }
  const delivery = await take(queue);
  await delivery.settle({ type: 'reject', reason: 'malformed', message: 'no JSON', history: delivery.history });
  const [{ receivedMessages }] = await scene.subscriber.pull({
    subscription: `projects/${scene.project}/subscriptions/pubsub_letters`,
    maxMessages: 10,
  });
  t.match(receivedMessages, [
    { message: { attributes: { 'studioml-reason': 'malformed', 'studioml-queue': 'pubsub_policy' } } },
  ]);
  await t.rejects(broker.open('pubsub_letters').receive(never), { name: 'QueueGone' });
});

t.test('reports go to the response topic, where there is one', async t => {
  const host = needService(t, 'TEST_PUBSUB_HOST');
  if (host === undefined) return;
  const scene = openPubsub(t, host);
  const [with_, without] = [await scene.declare(), await scene.declare()];
  const response = await scene.declareResponse(with_);
  const broker = scene.broker();
  t.teardown(() => broker.close());
  await broker.open(with_).receive(never);
  t.equal(await broker.reporter?.(with_).publish('sealed', never), true);
  t.equal(await broker.reporter?.(without).publish('sealed', never), false);
  const subscription = `projects/${scene.project}/subscriptions/${response}`;
  const [{ receivedMessages }] = await scene.subscriber.pull({ subscription, maxMessages: 1 });
  t.equal(String(receivedMessages?.[0]?.message?.data), 'sealed');
});

t.test('service accounts come and go; what they list is checked', async t => {
  const host = needService(t, 'TEST_PUBSUB_HOST');
  if (host === undefined) return;
  const scene = openPubsub(t, host);
  const name = await scene.declare();
  const private_key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const key = JSON.stringify({ project_id: scene.project, client_email: 'a@b.c', private_key });
  const certs = t.testdir({ 'bad.json': '{"private_key": "hidden-secret"' });
  const broker = scene.brokerWith({ certs, project: undefined, discoveryMs: 100 });
  t.teardown(() => broker.close());
  let names: ReadonlySet<string> = new Set();
  const watching = broker.discover().subscribe(found => (names = found));
  t.teardown(() => watching.unsubscribe());
  const finding = async () => {
    const options = loadOptions([], { PUBSUB_CERTS: certs });
    const check = queueChecks(options).find(one => one.name === 'Google Pub/Sub');
    return check && runCheck(check, options, 20_000);
  };
  t.match(await finding(), { status: 'failure', found: /bad\.json.*not JSON/, remedy: /PUBSUB_CERTS/ });
  writeFileSync(join(certs, 'good.json'), key);
  rmSync(join(certs, 'bad.json'));
  await eventually(() => assert.ok(names.has(name)));
  t.match(await finding(), { status: 'ok', found: /project good lists \d+ subscriptions?, matching: 1/ });
  rmSync(join(certs, 'good.json'));
  await eventually(() => assert.ok(!names.has(name)));
  t.match(scene.events.filter(({ event }) => event === 'discovery-failed').length, 1);
  t.notOk(JSON.stringify(scene.events).includes('hidden-secret'));
});
