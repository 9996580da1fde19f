import assert from 'node:assert/strict';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GetQueueAttributesCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import t from 'tap';
import type { HistoryEntry } from '../../lib/model/outcome.ts';
import { createSqsAccount } from '../../lib/queues/sqs/account.ts';
import { listQueues } from '../../lib/queues/sqs/discovery.ts';
import { eventually } from '../helpers/eventually.ts';
import { needService } from '../helpers/services.ts';
import { openSqs, sqsClient } from '../helpers/sqs.ts';

const never = new AbortController().signal;
const entry: HistoryEntry = { cause: 'exited', host: 'elsewhere', at: '2026-01-01T00:00:00.000Z', message: 'code 1' };

t.test('every page of the list of queues is read', async t => {
  const endpoint = needService(t, 'TEST_SQS_PAGES_URL');
  if (endpoint === undefined) return;
  const scene = openSqs(t, endpoint);
  const prefix = `sqs_pages_${String(process.pid)}`;
  const names = Array.from({ length: 23 }, (_, number) => `${prefix}_${String(number)}`);
  for (const name of names) await scene.create(name);
  await scene.create(`${prefix}_response`);
  await scene.create('studioml_lease_someone');
  const account = createSqsAccount({ label: 'a', client: scene.client, timeoutMs: 30_000, emit: () => undefined });
  const { work, leases } = await listQueues(account, never, 10);
  t.strictSame([...work.keys()].filter(name => name.startsWith(prefix)).sort(), [...names].sort());
  t.ok(leases.has('studioml_lease_someone'));
});

t.test('dead letters go where the policy of the queue says, and are no work there', async t => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return;
  const scene = openSqs(t, endpoint);
  const target = `sqs_letters_${String(process.pid)}`;
  const { Attributes = {} } = await scene.client.send(
    new GetQueueAttributesCommand({ QueueUrl: await scene.create(target), AttributeNames: ['QueueArn'] }),
  );
  const name = `sqs_policy_${String(process.pid)}`;
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: Attributes.QueueArn, maxReceiveCount: 2 });
  await scene.create(name, { RedrivePolicy });
  const broker = scene.broker();
  t.teardown(() => broker.close());
  await scene.publish(name, 'bad');
  const queue = broker.open(name);
  // Given back more often than the policy lets a message be received.
  for (let times = 0; times < 4; times++) {
    const delivery = await eventually(async () => {
      const one = await queue.receive(never);
      assert.ok(one);
      return one;
    });
    t.match(delivery, { attemptsBefore: 0 });
    await delivery.settle({ type: 'release', delayMs: 0 });
  }
  const delivery = (await queue.receive(never)) ?? (await queue.wait(AbortSignal.timeout(10_000)));
  await delivery?.settle({ type: 'reject', reason: 'malformed', message: 'no JSON \u0007', history: [entry] });
  const [letter] = await scene.drain(target);
  t.equal(letter?.Body, 'bad');
  t.match(letter?.MessageAttributes, {
    'studioml-queue': { StringValue: name },
    'studioml-reason': { StringValue: 'malformed' },
    'studioml-message': { StringValue: 'no JSON ?' },
    'studioml-history': { StringValue: JSON.stringify([entry]) },
  });
  await t.rejects(broker.open(target).receive(never), { name: 'QueueGone' });
  t.match(
    scene.events.filter(({ event }) => event === 'queue-ignored'),
    [{ queue: target, fields: { why: new RegExp(name) } }],
  );
});

t.test("a retry keeps the sender's own attributes", async t => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return;
  const scene = openSqs(t, endpoint);
  const name = await scene.declare();
  const own = Array.from(
    { length: 10 },
    (_, n) => [`own${String(n)}`, { DataType: 'String', StringValue: 'x' }] as const,
  );
  await scene.client.send(
    new SendMessageCommand({
      QueueUrl: await scene.url(name),
      MessageBody: 'with attributes',
      MessageAttributes: Object.fromEntries(own),
    }),
  );
  const broker = scene.broker();
  t.teardown(() => broker.close());
  const queue = broker.open(name);
  const delivery = (await queue.receive(never)) ?? (await queue.wait(AbortSignal.timeout(10_000)));
  await delivery?.begin(1, 'key');
  await delivery?.settle({ type: 'retry', attempt: 1, history: [entry] });
  const [copy] = await eventually(async () => {
    const found = await scene.drain(name);
    assert.equal(found.length, 1);
    return found;
  });
  t.equal(Object.keys(copy?.MessageAttributes ?? {}).length, 10, 'as many as SQS has room for');
  t.match(copy?.MessageAttributes, { own0: { StringValue: 'x' }, 'studioml-attempt': { StringValue: '1' } });
});

t.test('accounts come and go while it runs; two with a queue of one name have two queues', async t => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return;
  process.env['AWS_ENDPOINT_URL_SQS'] = endpoint;
  t.teardown(() => delete process.env['AWS_ENDPOINT_URL_SQS']);
  const scene = openSqs(t, endpoint);
  const name = await scene.declare();
  const files = {
    credentials: '[default]\naws_access_key_id = first\naws_secret_access_key = hidden-secret\n',
    config: '[default]\nregion = us-east-1\n',
  };
  const certs = t.testdir({ one: files, '..data': { credentials: 'nonsense' }, 'not-a-directory': '' });
  const broker = scene.brokerWith({ certs, read: undefined, discoveryMs: 100 } as never);
  t.teardown(() => broker.close());
  let names: ReadonlySet<string> = new Set();
  const watching = broker.discover().subscribe(found => (names = found));
  t.teardown(() => watching.unsubscribe());
  const mine = () => [...names].filter(one => one.startsWith(name)).sort();
  const seen = (expected: readonly string[]) =>
    eventually(() => {
      assert.deepEqual(mine(), expected);
    });
  await seen([name]);

  // As Kubernetes mounts a secret: links into a directory that is swapped.
  mkdirSync(join(certs, 'two/..v1'), { recursive: true });
  for (const [file, body] of Object.entries(files)) writeFileSync(join(certs, 'two/..v1', file), body);
  for (const file of Object.keys(files)) symlinkSync(join('..v1', file), join(certs, 'two', file));
  await seen([name, `${name}@two`]);
  t.equal(broker.shortName?.(`${name}@two`), name, 'QUEUE_MATCH sees one name');

  const delivery = await (async () => {
    await scene.publish(name, 'work');
    return broker.open(name).wait(AbortSignal.timeout(10_000));
  })();
  rmSync(join(certs, 'one'), { recursive: true });
  await delay(500);
  t.ok(names.has(name), 'a queue whose work runs is there until it is settled');
  await delivery?.settle({ type: 'accept' });
  await seen([`${name}@two`]);

  mkdirSync(join(certs, 'three'));
  writeFileSync(join(certs, 'three/credentials'), files.credentials);
  await eventually(() => {
    assert.ok(
      scene.events.some(({ event, fields }) => event === 'discovery-failed' && /three/.test(String(fields['error']))),
    );
  });
  t.notOk(JSON.stringify(scene.events).includes('hidden-secret'));
});

t.test('reports go to the response queue, where there is one', async t => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return;
  const scene = openSqs(t, endpoint);
  const [with_, without] = [await scene.declare(), await scene.declare()];
  const response = await scene.declareResponse(with_);
  const broker = scene.broker();
  t.teardown(() => broker.close());
  await broker.open(with_).receive(never);
  t.equal(await broker.reporter?.(with_).publish('sealed', never), true);
  t.equal(await broker.reporter?.(without).publish('sealed', never), false);
  t.strictSame(
    (await scene.drain(response)).map(({ Body }) => Body),
    ['sealed'],
  );
});

t.test('a FIFO queue is refused in words', async t => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return;
  const scene = openSqs(t, endpoint);
  const name = `sqs_ordered_${String(process.pid)}.fifo`;
  await scene.create(name, { FifoQueue: 'true' });
  const broker = scene.broker();
  t.teardown(() => broker.close());
  t.match(broker.refuses?.(name), /standard queue/);
  t.equal(broker.refuses?.('sqs_a'), undefined);
  await eventually(() => {
    let names: ReadonlySet<string> = new Set();
    broker
      .discover()
      .subscribe(found => (names = found))
      .unsubscribe();
    assert.ok(names.has(name), 'it is found, so that it is told');
  });
});

t.test('where no SQS answers, that is told without the secret', async t => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return;
  const scene = openSqs(t, endpoint);
  const createClient = () => sqsClient('http://127.0.0.1:1');
  const broker = scene.brokerWith({
    read: () => Promise.resolve({ accounts: [{ label: 'none', version: '', createClient }], faults: [] }),
  });
  t.teardown(() => broker.close());
  await eventually(() => {
    assert.match(String(scene.events[0]?.fields['error']), /ECONNREFUSED.*account=none/);
  });
});
