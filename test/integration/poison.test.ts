/** Ten kinds of poison among fifty good messages, through the real runner: nothing loops, nothing is lost. */
import assert from 'node:assert/strict';
import { connect } from 'amqplib';
import t, { type Test } from 'tap';
import { deadQueueOf } from '../../lib/queues/rabbitmq/delivery.ts';
import { eventually } from '../helpers/eventually.ts';
import { PipelineScene, sceneQueue } from '../helpers/pipeline-scene.ts';
import { tenPoisons, type Poison } from '../helpers/poison.ts';
import { jsonLines, runCommand } from '../helpers/run-command.ts';
import { needService } from '../helpers/services.ts';

interface Listed {
  readonly queue: string;
  readonly reason: string;
  readonly attempts: number;
  readonly id: string;
  readonly at: string;
  readonly experiment: string | null;
}

const goodCount = 50;
const sorted = (poisons: readonly Pick<Poison, 'reason' | 'attempts'>[]): string[] =>
  poisons.map(({ reason, attempts }) => `${reason} ${String(attempts)}`).sort();

/** Feed them all in a mixed order; ends when each has its end. */
const feed = async (scene: PipelineScene, send: (body: string) => unknown) => {
  const poisons = await tenPoisons(scene);
  const keys = new Set<string>();
  for (let i = 0; i < goodCount; i++) {
    const { key, body } = await scene.request({});
    keys.add(key);
    await send(body);
    const poison = i % 5 === 2 ? poisons[Math.floor(i / 5)] : undefined;
    if (poison) await send(poison.body);
  }
  await eventually(
    () => {
      const settled = scene.runner.events.filter(event => event.event === 'settled');
      const good = settled.filter(event => keys.has(String(event.experiment)) && event['settlement'] === 'accept');
      assert.equal(good.length, goodCount);
      assert.equal(settled.filter(event => event['settlement'] === 'reject').length, poisons.length);
    },
    { timeoutMs: 240_000, everyMs: 200 },
  );
  return poisons;
};

const listed = async (env: Readonly<Record<string, string>>, queue: string) =>
  jsonLines<Listed>(await runCommand(['dead', 'list', '--json', '--queue', queue], env));

const look = async (t: Test, env: Readonly<Record<string, string>>, queue: string, poisons: readonly Poison[]) => {
  const letters = await listed(env, queue);
  t.strictSame(sorted(letters), sorted(poisons), 'the ten are listed with their reasons');
  t.ok(letters.every(letter => letter.queue === queue && Date.parse(letter.at) > 0));
  t.equal(new Set(letters.map(letter => letter.id)).size, 10);
  t.strictSame(await listed(env, queue), letters, 'looking changes nothing');
  const people = await runCommand(['dead', 'list', '--queue', queue], env);
  t.match(people.stdout, new RegExp(`${queue}: 10 dead letters\\n  ID +WHEN +ATTEMPTS +REASON +EXPERIMENT`));
};

t.test('ten kinds of poison in a directory queue', { timeout: 300_000 }, async t => {
  const scene = new PipelineScene(t, { MAX_ATTEMPTS: '2', MAX_CORES: '4', FILE_ROOTS: t.testdirName });
  const poisons = await feed(scene, body => scene.send(body));
  t.strictSame(scene.waiting(), [], 'the queue is empty');
  await look(t, { QUEUE_ROOT: `${t.testdirName}/queues` }, sceneQueue, poisons);
});

t.test('ten kinds of poison in a queue of RabbitMQ', { timeout: 300_000 }, async t => {
  const url = needService(t, 'TEST_AMQP_URL');
  const managementUrl = url && needService(t, 'TEST_AMQP_MGT_URL');
  if (!url || !managementUrl) return;
  const queue = `rmq_poison_${String(process.pid)}`;
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  t.teardown(async () => {
    await channel.deleteQueue(queue);
    await channel.deleteQueue(deadQueueOf(queue));
    await connection.close();
  });
  await channel.assertExchange('StudioML.topic', 'topic', { durable: true, autoDelete: true });
  await channel.assertQueue(queue, { durable: true });
  await channel.bindQueue(queue, 'StudioML.topic', `StudioML.${queue}`);
  const broker = { AMQP_URL: url, AMQP_MGT_URL: managementUrl };
  const scene = new PipelineScene(t, {
    ...broker,
    QUEUE_ROOT: '',
    QUEUE_MATCH: `^${queue}$`,
    MAX_ATTEMPTS: '2',
    MAX_CORES: '4',
    FILE_ROOTS: t.testdirName,
  });
  const poisons = await feed(scene, async body => {
    channel.publish('StudioML.topic', `StudioML.${queue}`, Buffer.from(body));
    await channel.waitForConfirms();
  });
  t.equal((await channel.checkQueue(queue)).messageCount, 0, 'the queue is empty');
  await look(t, broker, queue, poisons);
});
