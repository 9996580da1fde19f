import assert from 'node:assert/strict';
import t from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { openPubsub } from '../helpers/pubsub.ts';
import { needService } from '../helpers/services.ts';
import { startTcpProxy } from '../helpers/tcp-proxy.ts';

t.test('what the only runner there is could not keep comes home too, counted', { timeout: 200_000 }, async t => {
  const host = needService(t, 'TEST_PUBSUB_HOST');
  if (host === undefined) return;
  const scene = openPubsub(t, host);
  const name = await scene.declare();
  const { hostname, port } = new URL(`http://${host}`);
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  t.teardown(() => proxy.close());
  process.env['PUBSUB_EMULATOR_HOST'] = `127.0.0.1:${String(proxy.port)}`;
  const broker = scene.brokerWith({ leaseMs: 15_000 });
  t.teardown(() => broker.close());
  const queue = broker.open(name);
  const take = () =>
    eventually(
      async () => {
        const delivery = await queue.receive(AbortSignal.timeout(30_000));
        assert.ok(delivery);
        return delivery;
      },
      { timeoutMs: 90_000 },
    );
  await scene.publish(name, 'begun');
  const delivery = await take();
  await delivery.begin(1, 'key');
  proxy.refuse();
  await eventually(() => assert.ok(delivery.lost.aborted), { timeoutMs: 30_000 });
  proxy.accept();
  const again = await take();
  t.equal(again.body.toString(), 'begun');
  t.match(again, { attemptsBefore: 1, history: [{ cause: 'runner-died', host: 'testhost' }] });
  await again.begin(2, 'key');
  await again.settle({ type: 'accept' });
});
