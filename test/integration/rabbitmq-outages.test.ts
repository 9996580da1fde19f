import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { OutageScene, settledBy, settlementsOf } from '../helpers/outage-scene.ts';
import { startRabbitmq, type PrivateRabbitmq } from '../helpers/private-rabbitmq.ts';
import type { RunnerProcess } from '../helpers/runner-process.ts';
import { startTcpProxy } from '../helpers/tcp-proxy.ts';

/** The broker gives up on a delivery that is held for this long: much shorter than the experiments here. */
const consumerTimeoutMs = 5000;
const long = { timeoutMs: 60_000 };

const isThere = (pid: number): boolean => existsSync(`/proc/${String(pid)}`);

/** One experiment runs on the first of two runners, each with a way to the broker of its own; the second is there to take it over. */
const runningOn = async (t: Test, rabbitmq: PrivateRabbitmq, durable = true) => {
  const { hostname: host, port } = new URL(rabbitmq.url);
  const proxy = await startTcpProxy({ host, port: Number(port) });
  const through = new URL(rabbitmq.url);
  through.port = String(proxy.port);
  const scene = new OutageScene(t, rabbitmq, durable);
  await scene.declare();
  const first = await scene.runner({ AMQP_URL: through.href });
  const key = await scene.submit();
  const [pid = 0] = await scene.running();
  const second = await scene.runner();
  t.teardown(() => proxy.close());
  return { scene, proxy, first, second, key, pid };
};

const heard = (runner: RunnerProcess, event: string, count = 1) =>
  eventually(() => {
    assert.ok(runner.events.filter(one => one.event === event).length >= count, event);
  }, long);

/** The experiment goes on to its end: same process, nobody else started it, settled once, nothing is left. */
const carriesOn = async (t: Test, { scene, first, second, key, pid }: Awaited<ReturnType<typeof runningOn>>) => {
  t.ok(isThere(pid), 'the same process runs');
  scene.letEnd();
  t.match(await settledBy(first, key), { settlement: 'accept', cause: 'completed' });
  t.equal(await scene.output(key), `ran as ${String(pid)}\n`);
  await delay(1500);
  t.strictSame(scene.runs(), [pid], 'it was started once');
  t.equal(settlementsOf(first, key).length, 1, 'settled once');
  t.strictSame(
    second.events.filter(({ event }) => event === 'admitted'),
    [],
    'nobody else had it',
  );
  await eventually(async () => {
    assert.deepEqual(await scene.left(), {});
  }, long);
};

const onePrivateNode = async (t: Test, work: (rabbitmq: PrivateRabbitmq) => Promise<void>) => {
  const rabbitmq = await startRabbitmq(t, consumerTimeoutMs);
  if (rabbitmq) await work(rabbitmq);
};

t.test('an experiment runs on through whatever its broker goes through', { timeout: 600_000 }, t =>
  onePrivateNode(t, async rabbitmq => {
    await t.test('it runs for longer than the broker waits for an acknowledgement', async t => {
      const scenery = await runningOn(t, rabbitmq);
      await delay(3 * consumerTimeoutMs);
      t.strictSame(
        scenery.first.events.filter(({ event }) => event === 'broker-lost'),
        [],
        'the broker never lost its patience',
      );
      await carriesOn(t, scenery);
    });

    await t.test('the connection is cut', async t => {
      const scenery = await runningOn(t, rabbitmq);
      for (let cut = 1; cut <= 2; cut++) {
        scenery.proxy.cut();
        await heard(scenery.first, 'broker-connected', cut + 1);
        await delay(1200);
      }
      await carriesOn(t, scenery);
    });

    await t.test('the connection stalls until the runner gives it up', async t => {
      const scenery = await runningOn(t, rabbitmq);
      scenery.proxy.stall();
      await delay(4000);
      scenery.proxy.resume();
      await delay(2000);
      await carriesOn(t, scenery);
    });

    await t.test('its channels are closed by an operator', async t => {
      const scenery = await runningOn(t, rabbitmq);
      await rabbitmq.ctl('close_all_connections', '--vhost', '/', 'maintenance');
      await heard(scenery.first, 'broker-connected', 2);
      await carriesOn(t, scenery);
    });

    await t.test('its lease queue is deleted by an operator', async t => {
      const scenery = await runningOn(t, rabbitmq);
      const held = await scenery.scene.leaseQueuesOf(scenery.first.pid);
      t.equal(held.length, 2);
      await scenery.scene.broker(async channel => {
        for (const name of held) await channel.deleteQueue(name);
      });
      await heard(scenery.first, 'broker-connected', 2);
      await carriesOn(t, scenery);
    });

    await t.test('an alarm blocks all publishing for longer than the lease', async t => {
      const scenery = await runningOn(t, rabbitmq);
      await rabbitmq.ctl('set_vm_memory_high_watermark', 'absolute', '1MB');
      await heard(scenery.first, 'broker-blocked');
      await delay(15_000);
      await rabbitmq.ctl('set_vm_memory_high_watermark', 'absolute', '1GB');
      await carriesOn(t, scenery);
    });

    for (const durable of [true, false]) {
      await t.test(`the broker restarts, the work queue is ${durable ? '' : 'not '}durable`, async t => {
        const scenery = await runningOn(t, rabbitmq, durable);
        await rabbitmq.halt();
        // Longer than a whole lease.
        await delay(12_000);
        await rabbitmq.start();
        await heard(scenery.first, 'broker-connected', 2);
        // Longer than a queue may be missing.
        await delay(7000);
        await carriesOn(t, scenery);
      });
    }

    await t.test('the broker is killed', async t => {
      const scenery = await runningOn(t, rabbitmq);
      await rabbitmq.kill();
      await delay(1000);
      await rabbitmq.start();
      await heard(scenery.first, 'broker-connected', 2);
      await delay(2000);
      await carriesOn(t, scenery);
    });
  }),
);
