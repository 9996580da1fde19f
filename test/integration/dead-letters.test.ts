/** Dead letters of RabbitMQ, as an operator looks after them. */
import { connect } from 'amqplib';
import t, { type Test } from 'tap';
import type { DeadLetter } from '../../lib/queues/dead-letters.ts';
import { createRabbitmqBroker } from '../../lib/queues/rabbitmq/broker.ts';
import { rabbitmqDeadLetters } from '../../lib/queues/rabbitmq/dead-letters.ts';
import { deadQueueOf } from '../../lib/queues/rabbitmq/delivery.ts';
import { needService } from '../helpers/services.ts';
import { runCommand } from '../helpers/run-command.ts';

const never = new AbortController().signal;
let names = 0;
const history = [1, 2, 3].map(number => ({
  cause: 'exited' as const,
  host: 'h',
  at: `2026-01-01T00:00:0${String(number)}.000Z`,
}));

const openScene = async (t: Test) => {
  const url = needService(t, 'TEST_AMQP_URL');
  const management = url && needService(t, 'TEST_AMQP_MGT_URL');
  if (!url || !management) return undefined;
  const { username, password } = new URL(url);
  const managementUrl = Object.assign(new URL(management), { username, password }).href;
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const declared: string[] = [];
  const declare = async (more: Parameters<typeof channel.assertQueue>[1] = {}) => {
    const name = `rmq_letters_${String(process.pid)}_${String(++names)}`;
    declared.push(name, deadQueueOf(name));
    await channel.assertQueue(name, { durable: true, ...more });
    return name;
  };
  const broker = createRabbitmqBroker({ url, managementUrl, queues: [], emit: () => undefined });
  const operator = async () => {
    const opened = await rabbitmqDeadLetters({ url, vhost: '/', managementUrl, queues: [] });
    t.teardown(() => opened.close());
    return opened;
  };
  t.teardown(async () => {
    await broker.close();
    for (const name of declared) await channel.deleteQueue(name);
    await connection.close();
  });
  /** Publish and reject, as a runner does. */
  const reject = async (name: string, bodies: readonly string[]) => {
    const queue = broker.open(name);
    for (const body of bodies) {
      channel.sendToQueue(name, Buffer.from(body), {
        contentType: 'application/json',
        headers: { 'studioml-attempt': 2, mine: 'kept' },
      });
      await channel.waitForConfirms();
      const delivery = await queue.receive(never);
      await delivery?.settle({ type: 'reject', reason: 'exited', message: `why ${body.slice(0, 5)}`, history });
    }
  };
  return {
    url,
    managementUrl,
    channel,
    broker,
    declare,
    operator,
    reject,
    env: { AMQP_URL: url, AMQP_MGT_URL: management },
  };
};

const all = async (letters: Awaited<ReturnType<typeof rabbitmqDeadLetters>>, queue: string) => {
  const found: DeadLetter[] = [];
  await letters.visit(queue, letter => (found.push(letter), 'keep'), never);
  return found;
};
const bodies = (letters: readonly DeadLetter[]) => letters.map(letter => letter.body.toString());

t.test('looking takes nothing; one goes back as new, one with its count, one is dropped', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const queue = await scene.declare();
  await scene.reject(queue, ['a', 'b', 'c', 'd']);
  const operator = await scene.operator();
  t.ok((await operator.queues(never)).includes(queue));
  const found = await all(operator, queue);
  t.match(found[0], { queue, reason: 'exited', message: 'why a', history, atMs: Date.parse('2026-01-01T00:00:03Z') });
  t.strictSame(bodies(found), ['a', 'b', 'c', 'd']);
  t.strictSame(
    (await all(operator, queue)).map(one => one.id),
    found.map(one => one.id),
  );
  const verdicts = { a: 'requeue', b: 'requeue-counted', c: 'drop', d: 'keep' } as const;
  await operator.visit(queue, letter => verdicts[letter.body.toString() as keyof typeof verdicts], never);
  t.strictSame(bodies(await all(operator, queue)), ['d']);
  const work = scene.broker.open(queue);
  const first = await work.receive(never);
  const second = await work.receive(never);
  t.match(first, { attemptsBefore: 0, history: [], buriedAtMs: found[0]?.atMs });
  t.equal(first?.body.toString(), 'a');
  t.match(second, { attemptsBefore: 2, history });
  await first?.settle({ type: 'accept' });
  await second?.settle({ type: 'accept' });
  t.equal(await work.receive(never), undefined);
});

t.test('two operators at once wait for each other, and no letter is lost or doubled', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const queue = await scene.declare();
  const sent = Array.from({ length: 20 }, (_, i) => String(i));
  await scene.reject(queue, sent);
  const operators = await Promise.all([scene.operator(), scene.operator()]);
  await Promise.all([
    operators[0].visit(queue, () => 'requeue', never),
    operators[1].visit(queue, () => 'requeue', never),
    all(await scene.operator(), queue),
  ]);
  t.equal((await scene.channel.checkQueue(queue)).messageCount, 20);
  t.strictSame(await all(operators[0], queue), []);
});

t.test("what the queue's own policy took is found where it leads, and others' messages stay", async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const graveyard = await scene.declare();
  const exchange = `letters-${String(process.pid)}`;
  await scene.channel.assertExchange(exchange, 'topic', { durable: false, autoDelete: true });
  await scene.channel.bindQueue(graveyard, exchange, 'dead.#');
  const queue = await scene.declare({
    arguments: { 'x-dead-letter-exchange': exchange, 'x-dead-letter-routing-key': 'dead.letter' },
  });
  scene.channel.sendToQueue(graveyard, Buffer.from('not a letter of this queue'));
  await scene.reject(queue, ['a', 'b']);
  const operator = await scene.operator();
  t.ok((await operator.queues(never)).includes(queue));
  const found = await all(operator, queue);
  t.strictSame(bodies(found), ['a', 'b']);
  t.match(found[0], { queue, place: graveyard, reason: 'exited', message: 'why a' });
  await operator.visit(queue, letter => (letter.body.toString() === 'a' ? 'requeue' : 'drop'), never);
  t.equal((await scene.channel.checkQueue(graveyard)).messageCount, 1);
  const again = await scene.broker.open(queue).receive(never);
  t.equal(again?.body.toString(), 'a');
  t.equal(again?.attemptsBefore, 0);
  await again?.settle({ type: 'accept' });
});

t.test('a letter whose queue is gone stays', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const queue = await scene.declare();
  await scene.reject(queue, ['a']);
  await scene.channel.deleteQueue(queue);
  const operator = await scene.operator();
  await t.rejects(
    operator.visit(queue, () => 'requeue', never),
    { message: /the queue is gone; the dead letter stays/ },
  );
  t.strictSame(bodies(await all(operator, queue)), ['a']);
});

t.test('the command shows a letter without its credentials, requeues and drops it', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const queue = await scene.declare();
  const body = JSON.stringify({
    experiment: { key: 'k1', artifacts: { data: { credentials: { plain: { user: 'u', password: 'hidden-word' } } } } },
  });
  await scene.reject(queue, [body, 'plain text']);
  const found = await all(await scene.operator(), queue);
  const [id = '', other = ''] = found.map(letter => letter.id);
  const shown = await runCommand(['dead', 'show', id, '--queue', queue], scene.env);
  t.match(JSON.parse(shown.stdout), { id, queue, reason: 'exited', experiment: 'k1', attempts: 3, history });
  t.notMatch(shown.stdout, /hidden-word/);
  t.equal((await runCommand(['dead', 'show', id, '--raw'], scene.env)).stdout, body);
  t.match((await runCommand(['dead', 'show', other], scene.env)).stdout, /not shown/);
  t.match(await runCommand(['dead', 'requeue', id, 'nosuchid'], scene.env), {
    code: 1,
    stdout: `requeued ${id} [queue=${queue}]\n`,
    stderr: /no dead letter with this ID \[id=nosuchid\]/,
  });
  t.match(await runCommand(['dead', 'drop', '--all', '--queue', queue], scene.env), {
    code: 0,
    stdout: `dropped ${other} [queue=${queue}]\n`,
  });
  t.match(await runCommand(['dead', 'list', '--queue', queue], scene.env), { code: 0, stdout: 'no dead letters\n' });
  t.equal((await scene.channel.checkQueue(queue)).messageCount, 1);
});

t.test('what can not be done is said in one line', async t => {
  t.match(await runCommand(['dead'], { QUEUE_ROOT: '/tmp' }), {
    code: 2,
    stderr: 'runner: dead: found no action, expected list, show, requeue or drop\n',
  });
  t.match(await runCommand(['dead', 'drop', '--all'], { QUEUE_ROOT: '/tmp' }), {
    code: 2,
    stderr: /--all: expected --queue with it, and no ID/,
  });
  const away = await runCommand(['dead', 'list'], { AMQP_URL: 'amqp://guest:hidden-word@127.0.0.1:1/' });
  t.match(away, {
    code: 1,
    stderr: /^runner: the broker can not be reached \[broker=127\.0\.0\.1:1\/\]: .*ECONNREFUSED.*\n$/,
  });
  t.notMatch(away.stderr, /hidden-word/);
});
