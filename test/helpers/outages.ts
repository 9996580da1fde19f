import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { eventually } from './eventually.ts';
import { OutageScene, settledBy, settlementsOf } from './outage-scene.ts';
import type { PrivateRabbitmq } from './private-rabbitmq.ts';
import type { RunnerProcess } from './runner-process.ts';
import { startTcpProxy } from './tcp-proxy.ts';
import { printedIn } from './printed.ts';

const long = { timeoutMs: 60_000 };

const isThere = (pid: number): boolean => existsSync(`/proc/${String(pid)}`);

/** One experiment runs on the first of two runners, each with a way to the broker of its own; the second is there to take it over. */
export const runningOn = async (
  t: Test,
  rabbitmq: PrivateRabbitmq,
  { durable = true, lease = '10s' }: { readonly durable?: boolean; readonly lease?: string } = {},
) => {
  const { hostname: host, port } = new URL(rabbitmq.url);
  const proxy = await startTcpProxy({ host, port: Number(port) });
  t.teardown(() => proxy.close());
  const through = new URL(rabbitmq.url);
  through.port = String(proxy.port);
  const scene = new OutageScene(t, rabbitmq, durable);
  await scene.declare();
  const first = await scene.runner({ AMQP_URL: through.href, LEASE: lease });
  const key = await scene.submit();
  const [pid = 0] = await scene.running();
  const second = await scene.runner({ LEASE: lease });
  return { scene, proxy, first, second, key, pid };
};

/** Wait for the `count`th event of this name. */
export const heard = (runner: RunnerProcess, event: string, count = 1) =>
  eventually(() => {
    assert.ok(runner.events.filter(one => one.event === event).length >= count, event);
  }, long);

/** The experiment goes on to its end: same process, nobody else started it, settled once, nothing is left. */
export const carriesOn = async (t: Test, { scene, first, second, key, pid }: Awaited<ReturnType<typeof runningOn>>) => {
  t.ok(isThere(pid), 'the same process runs');
  scene.letEnd();
  const end = await settledBy(first, key).catch((error: unknown) => {
    for (const event of first.events) t.comment(JSON.stringify(event));
    throw error;
  });
  t.match(end, { settlement: 'accept', cause: 'completed' });
  t.equal(printedIn(await scene.output(key)), `ran as ${String(pid)}\n`);
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
