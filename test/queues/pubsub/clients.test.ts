import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { readProjects } from '../../../lib/queues/pubsub/clients.ts';

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
