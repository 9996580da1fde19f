import assert from 'node:assert';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { connect } from 'amqplib';
import t from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { manager, withUser } from '../helpers/rabbitmq-user.ts';
import { jsonLines, runCommand } from '../helpers/run-command.ts';
import { needS3 } from '../helpers/s3.ts';
import { needService } from '../helpers/services.ts';

interface Line {
  readonly check: string;
  readonly status: string;
  readonly found: string;
  readonly remedy?: string;
}
const check = async (env: Record<string, string>): Promise<Record<string, Line>> => {
  const ended = await runCommand(['check', '--json'], { CLEAR_TEXT_MESSAGES: 'true', ...env });
  const lines = jsonLines<Line>(ended);
  assert.ok(lines.length > 5, ended.stderr);
  return Object.fromEntries(lines.map(line => [line.check, line]));
};

t.test('RabbitMQ: whether queues may be made, and which queues drop what they hold', async t => {
  const url = needService(t, 'TEST_AMQP_URL');
  const managementUrl = url && needService(t, 'TEST_AMQP_MGT_URL');
  if (!url || !managementUrl) return;
  const name = `rmq_check_${randomUUID()}`;
  const broker = await connect(url);
  const channel = await broker.createChannel();
  await channel.assertQueue(name, { durable: true, arguments: { 'x-max-length': 5 } });
  t.teardown(async () => {
    await channel.deleteQueue(name);
    await broker.close();
  });
  const env = { AMQP_URL: url, AMQP_MGT_URL: managementUrl, QUEUE_MATCH: `^${name}$` };
  t.match(await check(env), {
    'RabbitMQ permission': { status: 'ok' },
    'RabbitMQ queues': {
      status: 'warning',
      found: `queues that match: 1 classic; ${name} drops its oldest message above 5`,
    },
    clock: { status: 'ok', found: /\b\d\.\d s off that of 127\.0\.0\.1/ },
    store: { status: 'ok', found: /SUBMIT_STORE names one/ },
  });
  const { host } = new URL(url);
  t.match(await check({ ...env, AMQP_URL: `amqp://guest:guest@${host}/nowhere` }), {
    RabbitMQ: { status: 'failure', found: /no such vhost/, remedy: /list_permissions/ },
  });
  t.match(await check({ ...env, AMQP_URL: `amqps://guest:guest@${host}/` }), {
    RabbitMQ: { status: 'failure', found: /does not speak TLS/, remedy: /say amqp:/ },
  });
  await withUser(url, managementUrl, async plain => {
    const words = ['submit', new URL('../../fixtures/demo/train', import.meta.url).pathname, '--filename', 'train.py'];
    const store = join(t.testdir({}), 'store/bucket');
    t.match(await runCommand([...words, '--queue', name, '--store', store], { AMQP_URL: plain }), {
      code: 1,
      stderr:
        /^runner: the request could not be sent .*ACCESS_REFUSED.*; the user needs leave to .*StudioML\.topic.*\n$/,
    });
    t.match(await check({ ...env, AMQP_URL: plain }), {
      'RabbitMQ permission': { status: 'warning', found: /ACCESS.REFUSED/, remedy: /set_permissions/ },
    });
  });
});

t.test('RabbitMQ: leave to make queues is not all, and what a policy does is seen', async t => {
  const url = needService(t, 'TEST_AMQP_URL');
  const managementUrl = url && needService(t, 'TEST_AMQP_MGT_URL');
  if (!url || !managementUrl) return;
  const name = `rmq_policy_${randomUUID()}`;
  const policy = `/api/policies/${new URL(url).pathname.slice(1)}/${name}`;
  const broker = await connect(url);
  const channel = await broker.createChannel();
  await channel.assertQueue(name, { durable: true });
  const ask = manager(url, managementUrl);
  await ask(policy, 'PUT', { pattern: `^${name}$`, definition: { 'message-ttl': 60_000 }, 'apply-to': 'queues' });
  t.teardown(async () => {
    await ask(policy, 'DELETE');
    await channel.deleteQueue(name);
    await broker.close();
  });
  const env = { AMQP_URL: url, AMQP_MGT_URL: managementUrl, QUEUE_MATCH: `^${name}$` };
  await withUser(
    url,
    managementUrl,
    async own => {
      t.match(await check({ ...env, AMQP_URL: own }), {
        'RabbitMQ permission': { status: 'warning', found: /ACCESS.REFUSED.*amq\.match/, remedy: /set_permissions/ },
      });
    },
    { configure: '^studioml\\..*', write: '^(studioml\\..*|amq\\.(default|headers)|rmq_.*)$' },
  );
  // The management API hears of a policy with the statistics of the queue.
  await eventually(
    async () => {
      const { found = '' } = (await check(env))['RabbitMQ queues'] ?? {};
      assert.equal(found, `queues that match: 1 classic; ${name} drops what waits longer than 60000 ms`);
    },
    { timeoutMs: 60_000, everyMs: 1000 },
  );
});

t.test('a store that SUBMIT_STORE names is written to, read and cleaned', async t => {
  const s3 = await needS3(t);
  if (!s3) return;
  const { protocol, host } = new URL(s3.endpoint);
  const { accessKey, secretAccessKey } = s3.credentials;
  const at = (secret: string, bucket: string) => `${protocol}//${accessKey}:${secret}@${host}/${bucket}`;
  const queues = { QUEUE_ROOT: t.testdir({}) };
  const good = await check({ ...queues, SUBMIT_STORE: at(secretAccessKey, s3.bucket) });
  t.match(good['store'], { status: 'ok', found: /puts, gets and deletes/ });
  for await (const { key } of s3.open().list('studioml-check/')) t.fail(`${key} was left`);
  const denied = await check({ ...queues, SUBMIT_STORE: at('wrong-secret-1', s3.bucket) });
  t.match(denied['store'], { status: 'failure', remedy: /look at key and secret/ });
  t.notMatch(JSON.stringify(denied), 'wrong-secret-1');
});
