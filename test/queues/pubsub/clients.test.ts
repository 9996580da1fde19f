import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import t from 'tap';
import { namedProject, readProjects } from '../../../lib/queues/pubsub/clients.ts';

const account = () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const private_key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  return JSON.stringify({ project_id: 'p', client_email: 'runner@example.com', private_key });
};

t.test('a service account signs its own tokens, and its libraries say nothing', async t => {
  const warned = t.capture(console, 'warn');
  const { projects } = await readProjects(t.testdir({ 'one.json': account() }));
  const clients = projects[0]?.createClients();
  if (!clients) return t.fail('no project');
  for (const { auth } of [clients.publisher, clients.subscriber]) {
    const headers = await (await auth.getClient()).getRequestHeaders('https://pubsub.googleapis.com/');
    const [, claims = ''] = headers.get('authorization')?.split('.') ?? [];
    t.match(JSON.parse(Buffer.from(claims, 'base64').toString()), {
      iss: 'runner@example.com',
      scope: 'https://www.googleapis.com/auth/pubsub',
    });
    t.equal(await auth.getProjectId(), 'p');
  }
  t.strictSame(warned(), []);
});

t.test('a client without credentials is an error of its call, and finds those that come later', async t => {
  const directory = t.testdir({ 'later.json': account().replace('{', '{"type":"service_account",') });
  const before = { ...process.env };
  t.teardown(() => void (process.env = before));
  // Nobody is asked over the network.
  Object.assign(process.env, { HOME: directory, METADATA_SERVER_DETECTION: 'none' });
  delete process.env['GOOGLE_APPLICATION_CREDENTIALS'];
  delete process.env['PUBSUB_EMULATOR_HOST'];
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', onUnhandled);
  t.teardown(() => process.off('unhandledRejection', onUnhandled));
  const { publisher, subscriber } = namedProject('p').createClients();
  const calls: readonly (() => Promise<unknown>)[] = [
    () => publisher.publish({ topic: 'projects/p/topics/t', messages: [] }),
    () => subscriber.acknowledge({ subscription: 'projects/p/subscriptions/s', ackIds: ['a'] }),
  ];
  for (const call of [...calls, ...calls]) await t.rejects(call(), /default credentials/);
  await immediate();
  t.strictSame(unhandled, []);
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = join(directory, 'later.json');
  for (const client of [publisher, subscriber]) {
    t.ok(Object.keys(Object.getPrototypeOf(await client.initialize()) as object).length > 0, 'it has calls');
    await client.close();
  }
});
