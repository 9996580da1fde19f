import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'amqplib';
import t, { type Test } from 'tap';
import { deadQueueOf } from '../../lib/queues/rabbitmq/delivery.ts';
import { buildRequest } from '../../lib/request/build-request.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import { layOutCerts } from '../helpers/certs.ts';
import { eventually } from '../helpers/eventually.ts';
import { RunnerProcess } from '../helpers/runner-process.ts';
import { createSender, type Sender } from '../helpers/sealed.ts';
import { needService } from '../helpers/services.ts';
import { tarOf } from '../helpers/tars.ts';

const scene = async (t: Test, amqpUrl: string, managementUrl: string) => {
  const root = t.testdir({ store: { storage: {}, db: {} }, work: {} });
  const certs = layOutCerts(join(root, 'certs'));
  const store = join(root, 'store');
  const objects = createDirectoryStore({ root: join(store, 'storage') });
  await objects.put('workspace.tar', await tarOf({ name: 'main.py', content: "print('it ran')\n" }));
  const queue = `rmq_sealed_${String(process.pid)}_${randomUUID().slice(0, 8)}`;
  const connection = await connect(amqpUrl, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  t.teardown(async () => {
    await channel.deleteQueue(queue);
    await channel.deleteQueue(deadQueueOf(queue));
    await connection.close();
  });
  await channel.assertExchange('StudioML.topic', 'topic', { durable: true, autoDelete: true });
  await channel.assertQueue(queue, { durable: true });
  await channel.bindQueue(queue, 'StudioML.topic', `StudioML.${queue}`);
  const runner = new RunnerProcess({
    AMQP_URL: amqpUrl,
    AMQP_MGT_URL: managementUrl,
    QUEUE_MATCH: `^${queue}$`,
    WORKING_DIR: join(root, 'work'),
    CERTS_DIR: certs,
    FILE_ROOTS: store,
    MAX_ATTEMPTS: '1',
  });
  t.teardown(() => runner.stop());
  const publish = async (body: string) => {
    channel.publish('StudioML.topic', `StudioML.${queue}`, Buffer.from(body));
    await channel.waitForConfirms();
  };
  const request = (key: string) =>
    buildRequest({
      key,
      filename: 'main.py',
      workspaceKey: 'workspace.tar',
      store: { endpoint: store, bucket: 'storage', databaseBucket: 'db' },
      timeAddedMs: Date.now(),
    });
  /** An event that was told already, or comes. */
  const told = (
    event: string,
    matches: (fields: Readonly<Record<string, unknown>>) => boolean = () => true,
    from = 0,
  ) =>
    eventually(
      () => {
        const found = runner.events.slice(from).find(one => one.event === event && matches(one));
        assert.ok(found, `${event} is not told; so far ${runner.events.map(one => one.event).join(' ')}`);
        return found;
      },
      { timeoutMs: 60_000 },
    );
  const runs = async (sender: Sender, key: string) => {
    await publish(await sender.message(request(key)));
    return told('settled', one => one['experiment'] === key);
  };
  return { certs, queue, channel, runner, publish, request, told, runs };
};

const completed = { settlement: 'accept', cause: 'completed' };

t.test('sealed requests through RabbitMQ: from known senders only, while keys come, change and go', async t => {
  const amqpUrl = needService(t, 'TEST_AMQP_URL');
  const managementUrl = amqpUrl && needService(t, 'TEST_AMQP_MGT_URL');
  if (!amqpUrl || !managementUrl) return;
  const { certs, queue, channel, runner, publish, request, told, runs } = await scene(t, amqpUrl, managementUrl);
  const signing = join(certs, 'queues/signing');
  const file = join(signing, queue);
  const [one, two] = [createSender(), createSender()];
  unlinkSync(join(signing, 'rmq_'));

  // No sender is known: the message waits, untouched.
  t.match(await told('queue-ignored'), { queue, why: new RegExp(`no key of a sender for it.*${signing}`) });
  await publish(await one.message(request('first')));
  writeFileSync(file, one.line);
  t.match(await told('settled'), { ...completed, experiment: 'first' });

  // Strangers, the unsigned and clear text become dead letters.
  await publish(await two.message(request('stranger')));
  const unsigned = JSON.parse(await one.message(request('unsigned'))) as { message: Record<string, unknown> };
  await publish(JSON.stringify({ message: { ...unsigned.message, signature: undefined } }));
  await publish(JSON.stringify(request('clear')));
  t.match(await runs(one, 'second'), completed, 'what comes after them runs');
  const dead: unknown[] = [];
  for (let letter = await channel.get(deadQueueOf(queue), { noAck: true }); letter;) {
    dead.push(letter.properties.headers?.['studioml-reason']);
    letter = await channel.get(deadQueueOf(queue), { noAck: true });
  }
  t.strictSame(dead, ['bad-signature', 'bad-signature', 'clear-text-refused']);

  // Another sender's key in its place, by a rename as Kubernetes does it.
  writeFileSync(join(signing, '.new'), two.line);
  renameSync(join(signing, '.new'), file);
  await told('key-changed', changed => changed['change'] === 'changed' && changed['file'] === file);
  t.match(await runs(two, 'third'), completed);

  // The key is gone: nothing is taken, until it is there again.
  let from = runner.events.length;
  unlinkSync(file);
  await told('queue-ignored', () => true, from);
  await publish(await two.message(request('fourth')));
  from = runner.events.length;
  writeFileSync(file, two.line);
  t.match(await told('settled', () => true, from), { ...completed, experiment: 'fourth' });

  // The cluster's key is swapped while messages for either key are under way.
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const encryption = join(certs, 'message/encryption');
  const forNew = createSender(pair.publicKey);
  writeFileSync(file, two.line);
  mkdirSync(join(encryption, '..2'));
  const pem = pair.privateKey.export({ type: 'pkcs1', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'PassPhrase' });
  writeFileSync(join(encryption, '..2/ssh-privatekey'), pem);
  symlinkSync('..2/ssh-privatekey', join(encryption, '..new'));
  const late = await two.message(request('for the key before'));
  renameSync(join(encryption, '..new'), join(encryption, 'ssh-privatekey'));
  await publish(late);
  t.match(await told('settled', ended => ended['experiment'] === 'for the key before'), completed);
  await told(
    'key-changed',
    changed => String(changed['file']).endsWith('ssh-privatekey') && changed['change'] === 'changed',
  );
  writeFileSync(file, forNew.line);
  await told('key-changed', () => true, runner.events.length);
  t.match(await runs(forNew, 'for the new key'), completed);

  const ends = runner.events.filter(event => event.event === 'settled').map(event => event['settlement']);
  t.strictSame([...new Set(ends)].sort(), ['accept', 'reject'], 'none was given back');
  t.equal(ends.filter(end => end === 'reject').length, 3);
  t.equal(await runner.stop(), 0);
});
