import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Channel } from 'amqplib';
import { filter, firstValueFrom, timeout } from 'rxjs';
import t, { type Test } from 'tap';
import { createRabbitmqBroker } from '../../lib/queues/rabbitmq/broker.ts';
import { deadQueueOf } from '../../lib/queues/rabbitmq/delivery.ts';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { queueContract, type DeadLetter, type QueueHarness } from '../contracts/queue.ts';
import type { Delivery } from '../../lib/model/delivery.ts';
import { QueueGone } from '../../lib/queues/queue.ts';
import { countingBroker } from '../helpers/counting-broker.ts';
import { eventually } from '../helpers/eventually.ts';
import { createRig } from '../helpers/rig.ts';
import { needService } from '../helpers/services.ts';
import { startTcpProxy } from '../helpers/tcp-proxy.ts';

const never = new AbortController().signal;
let names = 0;
const newName = () => `rmq_contract_${String(process.pid)}_${String(++names)}`;

interface Scene extends QueueHarness {
  readonly channel: Channel;
  readonly url: string;
  readonly managementUrl: string;
  readonly events: RunnerEvent[];
  /** Transient ones are made and deleted sooner. */
  declare(how?: {
    readonly durable?: boolean;
    readonly arguments?: Readonly<Record<string, unknown>>;
  }): Promise<string>;
  brokerAt(settings: Partial<Parameters<typeof createRabbitmqBroker>[0]>): ReturnType<typeof createRabbitmqBroker>;
}

const withLogin = (managementUrl: string, url: string): string => {
  const { username, password } = new URL(url);
  const changed = new URL(managementUrl);
  changed.username ||= username;
  changed.password ||= password;
  return changed.href;
};

const openScene = async (t: Test): Promise<Scene | undefined> => {
  const url = needService(t, 'TEST_AMQP_URL');
  const management = url && needService(t, 'TEST_AMQP_MGT_URL');
  if (!url || !management) return undefined;
  const managementUrl = withLogin(management, url);
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const declared: string[] = [];
  t.teardown(async () => {
    for (const name of declared) {
      await channel.deleteQueue(name);
      await channel.deleteQueue(deadQueueOf(name));
    }
    await connection.close();
  });
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  await channel.assertExchange('StudioML.topic', 'topic', { durable: true, autoDelete: true });
  const brokerAt: Scene['brokerAt'] = settings =>
    createRabbitmqBroker({ url, managementUrl, queues: [], emit: bus.emit, discoveryMs: 200, ...settings });
  const declareNamed = async (name: string, how: Parameters<Scene['declare']>[0] = {}): Promise<string> => {
    declared.push(name);
    await channel.assertQueue(name, { durable: true, ...how });
    await channel.bindQueue(name, 'StudioML.topic', `StudioML.${name}`);
    return name;
  };
  return {
    url,
    managementUrl,
    channel,
    events,
    brokerAt,
    broker: () => brokerAt({}),
    declare: how => declareNamed(newName(), how),
    declareResponse: queue => declareNamed(`${queue}_response`),
    delete: async queue => {
      await channel.deleteQueue(queue);
    },
    publish: async (queue, body) => {
      channel.publish('StudioML.topic', `StudioML.${queue}`, Buffer.from(body));
      await channel.waitForConfirms();
    },
    deadLetters: async queue => {
      const letters: DeadLetter[] = [];
      const dead = deadQueueOf(queue);
      const probe = await connection.createChannel();
      probe.on('error', () => undefined);
      try {
        await probe.checkQueue(dead);
      } catch {
        return [];
      }
      for (let message = await probe.get(dead); message; message = await probe.get(dead)) {
        const headers = message.properties.headers ?? {};
        letters.push({
          body: message.content.toString(),
          reason: String(headers['studioml-reason']),
          message: String(headers['studioml-message']),
          history: JSON.parse(String(headers['studioml-history'])) as DeadLetter['history'],
        });
      }
      // What was looked at goes back with the channel.
      await probe.close();
      return letters;
    },
  };
};

if (process.env['TEST_AMQP_URL'] || process.env['CI'] === 'true') {
  queueContract(t, async t => {
    const scene = await openScene(t);
    if (!scene) throw new Error('RabbitMQ is missing');
    return scene;
  });
}

t.test('of many queues with a message each as many are taken as are asked for', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const declared: string[] = [];
  for (let i = 0; i < 40; i++) {
    const name = await scene.declare({ durable: false });
    declared.push(name);
    await scene.publish(name, String(i));
  }
  const broker = scene.broker();
  t.teardown(() => broker.close());
  const found = await firstValueFrom(
    broker.discover().pipe(
      filter(names => declared.every(name => names.has(name))),
      timeout(10_000),
    ),
  );
  t.ok(found.size >= 40);
  const queues = declared.map(name => broker.open(name));
  // Every queue says that it has a message, and gives none out for that.
  t.strictSame(new Set(await Promise.all(queues.map(queue => queue.wait(never)))), new Set([undefined]));
  const taken = await Promise.all(queues.slice(0, 3).map(queue => queue.receive(never)));
  t.equal(taken.filter(one => one !== undefined).length, 3);
  let ready = 0;
  for (const name of declared) ready += (await scene.channel.checkQueue(name)).messageCount;
  t.equal(ready, 37);
});

t.test('a runner with two slots on three hundred queues holds no more than its credits and one', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const broker = countingBroker(scene.broker());
  const declared: string[] = [];
  for (let i = 0; i < 300; i++) declared.push(await scene.declare({ durable: false }));
  const mine = new Set(declared);
  const rig = createRig(t, { runner: { brokers: [broker], matches: name => mine.has(name) } });
  const busy = declared.slice(0, 100);
  for (const [index, name] of busy.entries()) {
    await scene.publish(name, JSON.stringify(rig.request(`e${String(index)}`)));
  }
  await eventually(
    () => {
      assert.equal(rig.settled.filter(one => one.settlement === 'accept').length, busy.length);
    },
    { timeoutMs: 150_000 },
  );
  // Two credits at the most: there are two cores.
  t.ok(broker.mostHeld() <= 3, `held ${String(broker.mostHeld())}`);
  t.ok(rig.executor.mostRunning <= 2);
  t.equal(broker.held(), 0);
  const releases = rig.settled.filter(one => one.settlement === 'release').length;
  t.comment(`${String(releases)} of 100 were given back`);
});

t.test('three hundred empty queues are waited for on a few channels, and each wakes at its message', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const declared: string[] = [];
  for (let i = 0; i < 300; i++) declared.push(await scene.declare({ durable: false }));
  const broker = scene.broker();
  t.teardown(() => broker.close());
  const controller = new AbortController();
  const rung = new Map<string, Delivery>();
  const waits = declared.map(async name => {
    const queue = broker.open(name);
    const delivery = (await queue.receive(controller.signal)) ?? (await queue.wait(controller.signal));
    if (delivery) rung.set(name, delivery);
  });
  // Each is heard when it ends, whenever the test comes to it.
  for (const wait of waits) wait.catch(() => undefined);
  const consumers = () => Promise.all(declared.map(async name => (await scene.channel.checkQueue(name)).consumerCount));
  await eventually(async () => {
    assert.equal(
      (await consumers()).reduce((sum, count) => sum + count),
      300,
    );
  });
  const mine = await eventually(
    async () => {
      const { username, password } = new URL(scene.url);
      const reply = await fetch(
        new URL('/api/consumers?columns=queue.name,channel_details.name', scene.managementUrl.replace(/\/\/.*@/, '//')),
        {
          headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` },
        },
      );
      const all = (await reply.json()) as { queue: { name: string }; channel_details: { name?: string } }[];
      const alarms = all.filter(one => declared.includes(one.queue.name));
      assert.equal(alarms.length, 300);
      const channels = [...new Set(alarms.map(one => one.channel_details.name))];
      assert.ok(!channels.includes(undefined));
      return channels;
    },
    { timeoutMs: 20_000 },
  );
  t.ok(mine.length <= 4, `${String(mine.length)} channels`);
  const [first = '', second = '', third = ''] = declared;
  await scene.publish(second, 'bell');
  await eventually(() => {
    assert.equal(rung.get(second)?.body.toString(), 'bell');
  });
  // A queue that goes takes nothing else with it.
  await scene.delete(first);
  await t.rejects(waits[0] ?? Promise.resolve(), QueueGone);
  t.equal(rung.get(second)?.lost.aborted, false);
  await rung.get(second)?.settle({ type: 'accept' });
  await scene.publish(third, 'bell');
  await eventually(() => {
    assert.ok(rung.has(third));
  });
  await rung.get(third)?.settle({ type: 'accept' });
  controller.abort(new Error('done'));
  await Promise.allSettled(waits);
});

t.test('while nothing changes a look gives the same set', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const name = await scene.declare();
  const broker = scene.broker();
  t.teardown(() => broker.close());
  const sets: ReadonlySet<string>[] = [];
  const watching = broker.discover().subscribe(names => sets.push(names));
  t.teardown(() => watching.unsubscribe());
  // Other tests declare queues meanwhile.
  await eventually(() => {
    assert.ok(sets.some((set, at) => set.has(name) && set === sets[at - 1]));
  });
  const more = await scene.declare();
  await eventually(() => {
    assert.ok(sets.at(-1)?.has(more));
  });
});

t.test('a body of 20 MB comes through', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const name = await scene.declare();
  const broker = scene.broker();
  t.teardown(() => broker.close());
  await scene.publish(name, 'x'.repeat(20_000_000));
  const delivery = await broker.open(name).receive(never);
  t.equal(delivery?.body.length, 20_000_000);
  await delivery?.settle({ type: 'accept' });
});

t.test('a queue with a dead-letter policy of its own keeps it', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const graveyard = await scene.declare();
  const name = await scene.declare({
    arguments: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': graveyard },
  });
  const broker = scene.broker();
  t.teardown(() => broker.close());
  await scene.publish(name, 'poison');
  const delivery = await broker.open(name).receive(never);
  await delivery?.settle({ type: 'reject', reason: 'malformed', message: 'not JSON', history: [] });
  const dead = await eventually(async () => {
    const message = await scene.channel.get(graveyard, { noAck: true });
    assert.ok(message);
    return message;
  });
  t.equal(dead.content.toString(), 'poison');
  t.strictSame(await scene.deadLetters(name), []);
});

t.test('a connection that is cut loses the message to the broker, which gives it out again', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { hostname, port } = new URL(scene.url);
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  t.teardown(() => proxy.close());
  const through = new URL(scene.url);
  through.port = String(proxy.port);
  const name = await scene.declare();
  const broker = scene.brokerAt({ url: through.href });
  t.teardown(() => broker.close());
  const queue = broker.open(name);
  await scene.publish(name, 'held');
  const held = await queue.receive(never);
  const idle = broker.open(await scene.declare());
  const waiting = idle.wait(never);
  await delay(100);
  proxy.cut();
  await eventually(() => {
    assert.ok(held?.lost.aborted);
  });
  t.match(held?.lost.reason, { code: 'lease-lost' });
  await t.rejects(held?.settle({ type: 'accept' }) ?? Promise.resolve(), { message: /gives it out again/ });
  const again = await eventually(async () => {
    const delivery = await queue.receive(never);
    assert.ok(delivery);
    return delivery;
  });
  t.equal(again.body.toString(), 'held');
  await again.settle({ type: 'accept' });
  await delay(200);
  await scene.publish(idle.name, 'bell');
  const bell = (await waiting) ?? (await idle.receive(never));
  t.equal(bell?.body.toString(), 'bell', 'a queue that was waited for carries on');
  await bell?.settle({ type: 'accept' });
  t.equal(scene.events.filter(event => event.event === 'broker-lost').length, 1);
});

t.test('without a management API the named queues are served', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const name = await scene.declare();
  const missing = newName();
  const broker = scene.brokerAt({ managementUrl: undefined, queues: [name, missing] });
  t.teardown(() => broker.close());
  const found = await firstValueFrom(broker.discover().pipe(timeout(5000)));
  t.strictSame([...found], [name]);
});

t.test('a broker that does not answer is told, tried again, and named without its password', async t => {
  const scene = await openScene(t);
  if (!scene) return;
  const { hostname, port } = new URL(scene.url);
  const wrong = scene.brokerAt({ url: `amqp://nobody:hidden-password@${hostname}:${port}/%2f` });
  const absent = scene.brokerAt({ url: 'amqp://guest:hidden-password@127.0.0.1:1/' });
  t.teardown(() => Promise.all([wrong.close(), absent.close()]));
  await eventually(() => {
    const lost = scene.events.filter(event => event.event === 'broker-lost');
    for (const words of [/ACCESS_REFUSED|403/, /ECONNREFUSED/]) {
      assert.ok(lost.filter(event => words.test(String(event.fields['error']))).length >= 2, String(words));
    }
  });
  t.notOk(JSON.stringify(scene.events).includes('hidden-password'));
});
