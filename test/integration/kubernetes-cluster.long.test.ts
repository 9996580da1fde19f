/** The image and the chart on a real cluster of one node: sealed requests from RabbitMQ, results in S3. */
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { openCluster, type ClusterScene } from '../helpers/cluster-scene.ts';
import { eventually } from '../helpers/eventually.ts';

const patience = { timeoutMs: 240_000, everyMs: 250 };

const settlements = ({ listener }: ClusterScene, key: string) =>
  listener.events
    .filter(({ event, experiment }) => event === 'settled' && experiment === key)
    .map(({ settlement, cause, runner }) => ({ settlement, cause, runner }));

/** Until an experiment was settled so, and what it printed was stored. */
const ends = async (scene: ClusterScene, key: string): Promise<string> => {
  await eventually(() => {
    const found = settlements(scene, key);
    const said = found.map(({ settlement, cause }) => `${String(settlement)} ${String(cause)}`);
    assert.deepEqual(said, ['accept completed'], JSON.stringify(found));
  }, patience);
  const { body } = await scene.bucket.open().get(`experiments/${key}`);
  const record = JSON.parse(await text(body)) as { status: string };
  assert.equal(record.status, 'finished');
  return key;
};

t.test('runners of the chart in a cluster', { timeout: 1_700_000 }, async t => {
  const scene = await openCluster(t);
  if (scene === undefined) return;
  const { listener, kubectl, helm, publish } = scene;
  const arrives = (path: string) => eventually(() => assert.ok(listener.arrivals.includes(path), path), patience);
  const podNames = async (): Promise<string[]> => {
    const list = await kubectl(['get', 'pods', '--output=json']);
    const { items } = JSON.parse(list) as { items: { metadata: { name: string; deletionTimestamp?: string } }[] };
    return items.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
  };
  const pod = async (name: string) =>
    JSON.parse(await kubectl(['get', 'pod', name, '--output=json'])) as {
      metadata: { uid: string };
      status: {
        containerStatuses: { restartCount: number; lastState: { terminated?: { exitCode: number; reason: string } } }[];
      };
    };
  const state = (value: string) =>
    kubectl(['patch', 'configmap', 'studioml-go-runner', '--patch', JSON.stringify({ data: { STATE: value } })]);

  await kubectl(['create', 'configmap', 'studioml-go-runner', '--from-literal=STATE=Running']);
  await helm(['install', 'runners', scene.chart, '--values=-'], JSON.stringify(scene.values));
  await kubectl(['rollout', 'status', 'deployment/runners-studioml-runner', '--timeout=240s']);

  await t.test('a pod of the Deployment has what it needs, and takes a sealed experiment', async t => {
    const found = await kubectl(['exec', 'deployment/runners-studioml-runner', '--', 'runner', 'check']);
    t.match(found, /^ok +cluster key/m);
    t.match(found, /^ok +senders/m);
    t.match(found, /^ok +uv/m);
    t.equal(await kubectl(['exec', 'deployment/runners-studioml-runner', '--', 'id', '--user']), '10001\n');
    await publish('first');
    await arrives('first/1');
    listener.release('first/1');
    await ends(scene, 'first');
    t.equal(listener.arrivals.filter(path => path.startsWith('first/')).length, 1);
  });

  await t.test(
    'a pod that is lost in mid-run has its experiment run by the next, counted, and settled once',
    async t => {
      const [lost = ''] = await podNames();
      const { uid } = (await pod(lost)).metadata;
      await publish('lost');
      await arrives('lost/1');
      scene.killPod(uid);
      await kubectl(['delete', 'pod', lost, '--force', '--grace-period=0', '--wait=false']);
      await arrives('lost/2');
      listener.release('lost/2');
      await ends(scene, 'lost');
      t.strictSame(
        listener.arrivals.filter(path => path.startsWith('lost/')),
        ['lost/1', 'lost/2'],
      );
      const [next] = await podNames();
      t.not(next, lost);
      const settled = listener.events.filter(({ event, experiment }) => event === 'settled' && experiment === 'lost');
      t.strictSame(
        settled.map(({ runner }) => runner),
        [next],
      );
    },
  );

  await t.test('DrainAndTerminate lets what runs end, and a pod that is started again takes nothing', async t => {
    const [name = ''] = await podNames();
    await publish('drained');
    await arrives('drained/1');
    await state('DrainAndTerminate');
    await eventually(() => {
      const told = listener.events.filter(({ event }) => event === 'runner-stopping');
      assert.match(String(told.at(-1)?.['why']), /DrainAndTerminate/);
    }, patience);
    await publish('later');
    listener.release('drained/1');
    await ends(scene, 'drained');
    // Its Deployment starts it again and again, and each time it ends.
    await eventually(async () => {
      const [container] = (await pod(name)).status.containerStatuses;
      assert.ok(container && container.restartCount >= 1);
      assert.deepEqual(container.lastState.terminated?.reason, 'Completed');
      assert.equal(container.lastState.terminated.exitCode, 0);
    }, patience);
    t.strictSame(
      listener.arrivals.filter(path => path.startsWith('later/')),
      [],
    );
    await state('Running');
    await arrives('later/1');
    listener.release('later/1');
    await ends(scene, 'later');
  });

  await helm(['uninstall', 'runners', '--wait', '--timeout=240s']);
  // That waits for the Deployment alone: its pod is told to stop some seconds later, and takes messages until then.
  await kubectl(['wait', '--for=delete', 'pod', '--all', '--timeout=240s']);

  await t.test('a Job ends after LIMIT_TASKS experiments', async t => {
    for (const key of ['one', 'two', 'three']) await publish(key);
    for (const key of ['one', 'two', 'three']) listener.release(`${key}/1`);
    const values = { ...scene.values, mode: 'job', limits: { tasks: 2 } };
    await helm(['install', 'batch', scene.chart, '--values=-'], JSON.stringify(values));
    await kubectl(['wait', '--for=condition=complete', 'job/batch-studioml-runner-1', '--timeout=240s']);
    await ends(scene, 'one');
    await ends(scene, 'two');
    t.strictSame(
      listener.arrivals.filter(path => path.startsWith('three/')),
      [],
    );
    t.equal(await scene.waiting(), 1);
  });
});
