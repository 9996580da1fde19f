/** A queue of RabbitMQ that is deleted while its work runs, and a management API that fails for a while. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'amqplib';
import t, { type Test } from 'tap';
import { PipelineScene } from '../helpers/pipeline-scene.ts';
import { needService } from '../helpers/services.ts';

type Mode = 'pass' | 'error' | 'empty once';

/** The management API behind a door that can fail, or tell of no queue once. */
const startDoor = async (t: Test, target: string) => {
  const door = { mode: 'pass' as Mode, looks: 0 };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    door.looks += 1;
    const mode = door.mode;
    if (mode === 'error') {
      response.writeHead(503).end();
      return;
    }
    if (mode === 'empty once') {
      door.mode = 'pass';
      response.writeHead(200).end('[]');
      return;
    }
    const reply = await fetch(new URL(request.url ?? '/', target), {
      headers: { authorization: request.headers.authorization ?? '' },
    });
    response.writeHead(reply.status).end(Buffer.from(await reply.arrayBuffer()));
  };
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { door, url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}` };
};

t.test('two looks in a row that miss a queue stop its work; blips abort nothing', { timeout: 110_000 }, async t => {
  const url = needService(t, 'TEST_AMQP_URL');
  const management = url && needService(t, 'TEST_AMQP_MGT_URL');
  if (!url || !management) return;
  const { door, url: doorUrl } = await startDoor(t, management);
  const queue = `rmq_deleted_${String(process.pid)}`;
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  t.teardown(async () => {
    await channel.deleteQueue(queue);
    await connection.close();
  });
  await channel.assertExchange('StudioML.topic', 'topic', { durable: true, autoDelete: true });
  await channel.assertQueue(queue, { durable: true });
  await channel.bindQueue(queue, 'StudioML.topic', `StudioML.${queue}`);
  const scene = new PipelineScene(t, {
    AMQP_URL: url,
    AMQP_MGT_URL: doorUrl,
    QUEUE_ROOT: '',
    QUEUE_MATCH: `^${queue}$`,
    FILE_ROOTS: t.testdirName,
  });
  const { key, body } = await scene.request({ program: "import time\nprint('so far', flush=True)\ntime.sleep(600)\n" });
  channel.publish('StudioML.topic', `StudioML.${queue}`, Buffer.from(body));
  await channel.waitForConfirms();
  await scene.event(event => event.event === 'started' && event.experiment === key);

  const looks = async (count: number) => {
    const until = door.looks + count;
    while (door.looks < until) await new Promise(resolve => setTimeout(resolve, 50));
  };
  door.mode = 'error';
  await looks(3);
  t.ok(scene.runner.events.some(event => event.event === 'discovery-failed'));
  door.mode = 'empty once';
  await looks(3);
  const wasStopped = () => scene.runner.events.some(({ event }) => event === 'ended' || event === 'queue-gone');
  t.notOk(wasStopped(), 'neither failing looks nor one that misses it abort anything');

  await channel.deleteQueue(queue);
  t.match(await scene.event(event => event.event === 'ended'), { cause: 'queue-deleted', experiment: key });
  t.match(await scene.settled(key), { settlement: 'none' });
  t.match((await scene.output(key)).toString(), /so far/, 'what there was is stored');
  t.notOk(
    scene.runner.events.some(({ event }) => event === 'settle-failed'),
    'there is nothing to acknowledge',
  );
});
