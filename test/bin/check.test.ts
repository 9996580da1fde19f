import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { runCheck } from '../../bin/check.ts';
import { queueChecks } from '../../bin/checks/queues.ts';
import { reportFinding } from '../../bin/checks/report.ts';
import { loadOptions } from '../../lib/config/load.ts';

const base = { QUEUE_ROOT: '/nowhere/queues' };
const findingsOf = async (env: Record<string, string>) => {
  const options = loadOptions([], { ...base, ...env });
  return Object.fromEntries(
    await Promise.all(queueChecks(options).map(async check => [check.name, await runCheck(check, options)] as const)),
  );
};

t.test('which kinds of requests are accepted is told', async t => {
  t.match(await findingsOf({}), { requests: { status: 'ok', found: /only encrypted and signed/ } });
  t.match(await findingsOf({ CLEAR_TEXT_MESSAGES: 'true' }), {
    requests: { status: 'ok', found: /not encrypted are/ },
  });
});

t.test('a queue directory is counted, one that is not there is a failure with its remedy', async t => {
  const root = t.testdir({ local_a: {}, local_b: {}, '.dead': {}, file: '' });
  t.match(await findingsOf({ QUEUE_ROOT: root }), {
    'queue directory': { status: 'ok', found: `${root} holds 2 queues` },
  });
  t.match(await findingsOf({ QUEUE_ROOT: join(root, 'none') }), {
    'queue directory': {
      status: 'failure',
      found: `${join(root, 'none')}: there is no such directory`,
      remedy: /QUEUE_ROOT/,
    },
  });
});

t.test('a broker that is not there is a failure that names host and port and no password', async t => {
  const found = await findingsOf({
    AMQP_URL: 'amqp://user:hunter22@127.0.0.1:1/%2F',
    AMQP_MGT_URL: 'http://127.0.0.1:1',
  });
  t.match(found, {
    RabbitMQ: { status: 'failure', found: /^amqp:\/\/127\.0\.0\.1:1\/%2F: .*ECONNREFUSED/ },
    'RabbitMQ management': { status: 'failure', remedy: /rabbitmq_management/ },
  });
  t.notMatch(JSON.stringify(found), 'hunter22');
});

t.test('the management API is asked for the queues of the vhost, as the user of the URL', async t => {
  const asked: (string | undefined)[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    asked.push(request.url, request.headers.authorization);
    response.writeHead(status).end('[{},{}]');
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const url = `http://u:p%40@127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const env = { AMQP_URL: 'amqp://127.0.0.1:1/my%2Fhost', AMQP_MGT_URL: url };
  t.match(await findingsOf(env), { 'RabbitMQ management': { status: 'ok', found: /lists 2 queues$/ } });
  t.same(asked, [
    '/api/exchanges/my%2Fhost/StudioML.topic/bindings/source',
    `Basic ${Buffer.from('u:p@').toString('base64')}`,
    '/api/queues/my%2Fhost?columns=name,type,durable,arguments,effective_policy_definition',
    `Basic ${Buffer.from('u:p@').toString('base64')}`,
  ]);
  status = 404;
  t.match(await findingsOf(env), { 'RabbitMQ management': { status: 'ok', found: /no client has made a queue yet/ } });
  status = 401;
  t.match(await findingsOf(env), {
    'RabbitMQ management': { status: 'failure', found: /401/, remedy: /tag management/ },
  });
  t.match(await findingsOf({ ...env, AMQP_QUEUES: 'rmq_a' }), { 'RabbitMQ management': { status: 'warning' } });
});

t.test('a check that does not come back is a failure after its time', async t => {
  const options = loadOptions([], base);
  const hanging = { name: 'x', run: () => new Promise<never>(() => undefined) };
  const alive = setTimeout(() => undefined, 5000);
  t.same(await runCheck(hanging, options, 20), { status: 'failure', found: 'no answer within 0.02 s' });
  clearTimeout(alive);
});

t.test('a check that throws is a failure with its words', async t => {
  const options = loadOptions([], base);
  const broken = { name: 'x', run: () => Promise.reject(new Error('it broke')) };
  t.same(await runCheck(broken, options), { status: 'failure', found: 'it broke' });
});

t.test('a finding is told in aligned lines, or as JSON', async t => {
  const finding = { status: 'warning', found: 'a', expected: 'b', remedy: 'c' } as const;
  t.equal(
    reportFinding({ json: false, colours: false, columns: 80 })('uv', finding),
    ['warning  uv                   a', `${' '.repeat(30)}expected: b`, `${' '.repeat(30)}remedy: c`].join('\n'),
  );
  t.same(JSON.parse(reportFinding({ json: true, colours: true, columns: 80 })('uv', finding)), {
    check: 'uv',
    ...finding,
  });
});
