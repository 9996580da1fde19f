/** Stores and brokers that refuse, go and come back, through the whole runner. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { PipelineScene, type SceneStore } from '../helpers/pipeline-scene.ts';
import { printedIn } from '../helpers/printed.ts';
import { needS3, type TestBucket } from '../helpers/s3.ts';
import { startTcpProxy } from '../helpers/tcp-proxy.ts';

const goesOn = async (t: Test, scene: PipelineScene) => {
  t.match(await scene.runGood(), { cause: 'completed', output: /it ran/ }, 'the next message runs to its end');
  await eventually(() => {
    assert.deepEqual(scene.leftovers(), [], 'neither directory nor process is left');
  });
  t.strictSame([scene.waiting(), scene.claimed()], [[], []], 'no message is left');
  t.equal(await scene.runner.stop(), 0);
};

/** A bucket as requests name it: at `endpoint`, with its own keys or another secret. */
const storeIn = (
  place: TestBucket,
  endpoint = place.endpoint,
  secret = place.credentials.secretAccessKey,
): SceneStore => ({
  named: {
    endpoint,
    bucket: place.bucket,
    databaseBucket: place.bucket,
    credentials: { aws: { access_key: place.credentials.accessKey, secret_access_key: secret } },
  },
  objects: place.open(),
});

/** A scene whose runner gets to its store through a proxy, while the test looks at it directly. */
const behindProxy = async (t: Test) => {
  const place = await needS3(t);
  if (!place) return undefined;
  const { hostname: host, port } = new URL(place.endpoint);
  const proxy = await startTcpProxy({ host, port: Number(port) });
  t.teardown(() => proxy.close());
  return { proxy, scene: new PipelineScene(t, {}, storeIn(place, `http://127.0.0.1:${String(proxy.port)}`)) };
};

const isSettled = (scene: PipelineScene, key: string) =>
  scene.runner.events.some(event => event.event === 'settled' && event.experiment === key);

t.test('wrong credentials of a store end the experiment, and are told nowhere', async t => {
  const place = await needS3(t);
  if (!place) return;
  const scene = new PipelineScene(t, {}, storeIn(place));
  const secret = `wrong-${randomUUID()}`;
  const key = await scene.submit({ store: storeIn(place, place.endpoint, secret).named });
  const words = /stage in failed: .*workspace/;
  t.match(await scene.settled(key), { settlement: 'reject', cause: 'access-denied', message: words });
  t.match(scene.deadLetters(), [{ reason: 'access-denied', message: words }]);
  t.notOk(JSON.stringify(scene.runner.events).includes(secret), 'the secret is in no event');
  t.notOk(scene.deadLetters()[0]?.message.includes(secret));
  await goesOn(t, scene);
});

t.test('a store that is down at stage-in is tried again until it is back', { timeout: 90_000 }, async t => {
  const scenery = await behindProxy(t);
  if (!scenery) return;
  const { proxy, scene } = scenery;
  proxy.refuse();
  const key = await scene.submit({});
  t.match(await scene.event(({ event, tries }) => event === 'store-retry' && Number(tries) >= 3), { operation: 'get' });
  t.notOk(isSettled(scene, key));
  t.equal(scene.claimed().length, 1, 'the message is held meanwhile');
  proxy.accept();
  t.match(await scene.settled(key), { settlement: 'accept', cause: 'completed' });
  t.equal(printedIn((await scene.output(key)).toString()), 'it ran\n');
  await goesOn(t, scene);
});

t.test('a store that is down at stage-out gets everything when it is back', { timeout: 90_000 }, async t => {
  const scenery = await behindProxy(t);
  if (!scenery) return;
  const { proxy, scene } = scenery;
  const started = scene.event(({ event }) => event === 'started');
  const key = await scene.submit({ program: "import time\ntime.sleep(1)\nprint('it ran')\n" });
  await started;
  proxy.refuse();
  await scene.event(
    ({ event, operation, tries }) => event === 'store-retry' && operation === 'put' && Number(tries) >= 3,
  );
  t.ok(scene.runner.events.some(({ event }) => event === 'ended'));
  t.notOk(isSettled(scene, key), 'it is not acknowledged before it is stored');
  t.equal(scene.claimed().length, 1, 'the message is held meanwhile');
  await t.rejects(scene.output(key), { code: 'missing' });
  proxy.accept();
  t.match(await scene.settled(key), { settlement: 'accept', cause: 'completed' });
  t.equal(printedIn((await scene.output(key)).toString()), 'it ran\n');
  t.match(await scene.metadata(key), { studioml: { status: 'completed' } });
  await goesOn(t, scene);
});

t.test(
  'a store whose connections hang and are cut at stage-out gets everything on new ones',
  { timeout: 90_000 },
  async t => {
    const scenery = await behindProxy(t);
    if (!scenery) return;
    const { proxy, scene } = scenery;
    const started = scene.event(({ event }) => event === 'started');
    const key = await scene.submit({ program: "import time\ntime.sleep(1)\nprint('it ran')\n" });
    await started;
    proxy.stall();
    await scene.event(({ event }) => event === 'ended');
    proxy.cut();
    proxy.resume();
    t.match(await scene.settled(key), { settlement: 'accept', cause: 'completed' });
    t.equal(printedIn((await scene.output(key)).toString()), 'it ran\n');
    await goesOn(t, scene);
  },
);
