import t, { type Test } from 'tap';
import { runCheck } from '../../bin/check.ts';
import { queueChecks } from '../../bin/checks/queues.ts';
import { loadOptions } from '../../lib/config/load.ts';
import { needService } from '../helpers/services.ts';
import { openSqs } from '../helpers/sqs.ts';

const files = {
  credentials: '[default]\naws_access_key_id = a\naws_secret_access_key = hidden-secret\n',
  config: '[default]\nregion = us-east-1\n',
};

const finding = async (env: Readonly<Record<string, string>>) => {
  const options = loadOptions([], env);
  const check = queueChecks(options).find(({ name }) => name === 'AWS SQS');
  return check && runCheck(check, options, 20_000);
};

const at = (t: Test, url: string) => {
  process.env['AWS_ENDPOINT_URL_SQS'] = url;
  t.teardown(() => delete process.env['AWS_ENDPOINT_URL_SQS']);
};

t.test('SQS is not looked at where it is not used', async t => {
  t.equal(await finding({ QUEUE_ROOT: '/nowhere', AWS_ACCESS_KEY_ID: 'a' }), undefined);
});

t.test('an account that can not be read, or reached, is a failure with its remedy and without its secret', async t => {
  at(t, 'http://127.0.0.1:1');
  const none = t.testdir({ good: files, bad: { credentials: files.credentials } });
  t.match(await finding({ SQS_CERTS: none }), { status: 'failure', found: /account=bad.*config/, remedy: /SQS_CERTS/ });
  const unreachable = await finding({ SQS_CERTS: t.testdir({ good: files }) });
  t.match(unreachable, { status: 'failure', found: /account good: .*ECONNREFUSED/, remedy: /region/ });
  t.notMatch(JSON.stringify(unreachable), 'hidden-secret');
});

t.test('the queues of an account are counted, those that can not be served named', async t => {
  const endpoint = needService(t, 'TEST_SQS_URL');
  if (endpoint === undefined) return;
  at(t, endpoint);
  const scene = openSqs(t, endpoint);
  const prefix = `sqs_check${String(process.pid)}`;
  await scene.create(`${prefix}_a`);
  await scene.create(`${prefix}_b`);
  const env = { SQS_CERTS: t.testdir({ one: files }), QUEUE_MATCH: `^${prefix}_` };
  t.match(await finding(env), { status: 'ok', found: /^account one lists \d+ queues, matching: 2$/ });
  await scene.create(`${prefix}_c.fifo`, { FifoQueue: 'true' });
  t.match(await finding(env), { status: 'warning', found: new RegExp(`matching: 3; ${prefix}_c.fifo`) });
});
