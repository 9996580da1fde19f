/** What the guide for operators has them type at a RabbitMQ, on a node of its own. */
import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import t from 'tap';
import { blocksOf } from '../helpers/guide.ts';
import { startRabbitmq } from '../helpers/private-rabbitmq.ts';
import { jsonLines, runCommand } from '../helpers/run-command.ts';
import { RunnerProcess } from '../helpers/runner-process.ts';

const as = (url: string, user: string): string =>
  Object.assign(new URL(url), { username: user, password: user === 'guest' ? user : 'PASSWORD' }).href;

t.test('a user with the permissions of the guide leases, reports, buries and requeues', async t => {
  const rabbitmq = await startRabbitmq(t);
  if (rabbitmq === undefined) return;
  const [permissions = '', policy = '', ...others] = blocksOf('docs/operators.md', 'sh').filter(block =>
    block.startsWith('rabbitmqctl'),
  );
  assert.deepEqual(others, []);
  await rabbitmq.shell(permissions);
  // The node is older than the setting, which the guide says; later ones take it.
  await assert.rejects(rabbitmq.shell(policy), /consumer-timeout.* not recognised|not recognised.*consumer-timeout/s);

  const directory = t.testdir({ program: { 'main.py': 'raise SystemExit(3)\n' }, store: {}, work: {}, certs: {} });
  const guest = { AMQP_URL: rabbitmq.url, AMQP_MGT_URL: rabbitmq.managementUrl };
  const own = { AMQP_URL: as(rabbitmq.url, 'runner'), AMQP_MGT_URL: as(rabbitmq.managementUrl, 'runner') };
  const certs = join(directory, 'certs');
  const settings = { ...own, CERTS_DIR: certs, WORKING_DIR: join(directory, 'work'), CLEAR_TEXT_MESSAGES: 'true' };
  assert.equal((await runCommand(['keys', 'response', '--out', certs])).code, 0);

  // A queue of reports is one that its listener made.
  const submit = (queue: string, key: string) =>
    runCommand(
      [
        'submit',
        join(directory, 'program'),
        '--queue',
        queue,
        '--store',
        join(directory, 'store/bucket'),
        '--key',
        key,
      ],
      guest,
    );
  for (const queue of ['rmq_team_response', 'rmq_team']) assert.equal((await submit(queue, queue)).code, 0);
  const runner = new RunnerProcess({ ...settings, MAX_ATTEMPTS: '1', FILE_ROOTS: directory });
  t.teardown(() => runner.stop());
  await runner.next(({ event, settlement }) => event === 'settled' && settlement === 'reject');

  const [letter, ...more] = jsonLines<{ id: string; queue: string }>(await runCommand(['dead', 'list', '--json'], own));
  t.match([letter, more], [{ queue: 'rmq_team', experiment: 'rmq_team', reason: 'exited' }, []]);
  const again = runner.next(({ event, settlement }) => event === 'settled' && settlement === 'reject');
  t.match(await runCommand(['dead', 'requeue', letter?.id ?? ''], own), { code: 0, stdout: /^requeued / });
  await again;
  const checked = jsonLines<{ check: string; status: string }>(await runCommand(['check', '--json'], settings));
  t.strictSame(
    checked.filter(({ check, status }) => check.startsWith('RabbitMQ') && status !== 'ok'),
    [],
  );
  const reports = jsonLines(await runCommand(['record', '--queue', 'rmq_team_response'], guest));
  t.ok(reports.length > 1, 'reports came beside the message that made their queue');
  const trouble = ['lease-unavailable', 'report-failed', 'reports-off', 'settle-failed', 'dead-letter-unplaced'];
  t.strictSame(
    runner.events.filter(({ event }) => trouble.includes(event)),
    [],
  );
  t.equal(await runner.stop(), 0);
});
