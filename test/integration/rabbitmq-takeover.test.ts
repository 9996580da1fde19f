import assert from 'node:assert/strict';
import t from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { openOutageScene, settledBy, settlementsOf } from '../helpers/outage-scene.ts';
import { printedIn } from '../helpers/printed.ts';

t.test('a runner that is killed: another starts its work within the lease, counted', { timeout: 110_000 }, async t => {
  const scene = await openOutageScene(t);
  if (!scene) return;
  const killed = await scene.runner();
  const key = await scene.submit();
  await scene.running();
  const other = await scene.runner();
  killed.signal('SIGKILL');
  const killedAt = performance.now();
  const leased = await scene.leaseQueuesOf(killed.pid);
  t.equal(leased.length, 2, 'the queues of the dead are there');
  const [, pid] = await scene.running(2, 30_000);
  const tookMs = performance.now() - killedAt;
  t.comment(`another runs it ${(tookMs / 1000).toFixed(1)} s after the kill, at a lease of 10 s`);
  t.ok(tookMs < 20_000, 'at a lease of 10 s, on a busy machine');
  scene.letEnd();
  t.match(await settledBy(other, key), { settlement: 'accept', cause: 'completed' });
  t.equal(printedIn(await scene.output(key)), `ran as ${String(pid)}\n`);
  t.match(await scene.fence(key), { attempt: 2, state: 'done' }, 'the attempt of the dead counts');
  await eventually(
    async () => {
      assert.deepEqual(await scene.leaseQueuesOf(killed.pid), [], 'another runner removes them');
    },
    { timeoutMs: 60_000 },
  );
});

t.test('a runner that stops in order gives its work back, uncounted', { timeout: 110_000 }, async t => {
  const scene = await openOutageScene(t);
  if (!scene) return;
  const leaving = await scene.runner();
  const key = await scene.submit();
  await scene.running();
  t.equal(await leaving.stop(), 0);
  t.match(settlementsOf(leaving, key), [{ settlement: 'release', cause: 'stopping' }]);
  t.strictSame(await scene.leaseQueuesOf(leaving.pid), [], 'it leaves no queues behind');
  const other = await scene.runner();
  await scene.running(2);
  scene.letEnd();
  t.match(await settledBy(other, key), { settlement: 'accept', cause: 'completed' });
  t.match(await scene.fence(key), { attempt: 1, state: 'done' });
});

t.test('a message about something that is done is accepted without a run', { timeout: 60_000 }, async t => {
  const scene = await openOutageScene(t);
  if (!scene) return;
  const runner = await scene.runner();
  scene.letEnd();
  const body = await scene.request();
  await scene.publish(body.message);
  t.match(await settledBy(runner, body.key), { settlement: 'accept', cause: 'completed' });
  await scene.publish(body.message);
  await eventually(() => {
    assert.equal(settlementsOf(runner, body.key).length, 2);
  });
  t.match(settlementsOf(runner, body.key)[1], { settlement: 'accept', cause: 'already-done' });
  t.equal(scene.runs().length, 1);
});
