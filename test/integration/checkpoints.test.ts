/** What is stored while experiments run, and what is there when they are run again: the real runner, a store that goes wrong. */
import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import t from 'tap';
import { extract } from 'tar-stream';
import { Readable } from 'node:stream';
import { eventually } from '../helpers/eventually.ts';
import { behindFaults } from '../helpers/fault-scene.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';
import { printedIn } from '../helpers/printed.ts';

/** Send a request, some of its artifacts with a saveFrequency in seconds. */
const submit = async (scene: PipelineScene, program: string, frequencies: Readonly<Record<string, number>> = {}) => {
  const { key, body } = await scene.request({ program });
  const request = JSON.parse(body) as { experiment: { artifacts: Record<string, Record<string, unknown>> } };
  for (const [label, seconds] of Object.entries(frequencies)) {
    const artifact = request.experiment.artifacts[label];
    if (artifact) artifact['saveFrequency'] = seconds;
  }
  scene.send(JSON.stringify(request));
  return key;
};

const filesIn = async (scene: PipelineScene, key: string): Promise<Record<string, string>> => {
  const files: Record<string, string> = {};
  const archive = await buffer((await scene.store.objects.get(key)).body);
  for await (const entry of Readable.from([archive]).pipe(extract()))
    files[entry.header.name] = (await buffer(entry)).toString();
  return files;
};

/** Counts to ten over its attempts, and kills itself at every second number. */
const killedLoop = `
import os, pathlib, signal
state = pathlib.Path('../modeldir/state')
at = int(state.read_text()) if state.exists() else 0
print('attempt', os.environ.get('STUDIOML_ATTEMPT', '1'), os.environ.get('STUDIOML_PREVIOUS_FAILURE', 'none'), 'from', at, flush=True)
while at < 10:
    at += 1
    state.write_text(str(at))
    if at % 2 == 0 and at < 10 or at == 9:
        os.kill(os.getpid(), signal.SIGKILL)
print('final state', at, flush=True)
`;

t.test('a training loop that is killed five times ends with the right final state', { timeout: 120_000 }, async t => {
  const scene = new PipelineScene(t, { MAX_ATTEMPTS: '6' });
  const key = await submit(scene, killedLoop);
  t.match(await scene.event(one => one.event === 'settled' && one['settlement'] === 'accept', 100_000), {
    cause: 'completed',
    experiment: key,
  });
  const settled = scene.runner.events.filter(({ event }) => event === 'settled');
  t.same(
    settled.map(({ settlement, cause }) => [settlement, cause]),
    [...Array.from({ length: 5 }, () => ['retry', 'killed']), ['accept', 'completed']],
  );
  t.same(await filesIn(scene, `experiments/${key}/modeldir.tar`), { state: '10' });
  const printed = printedIn((await scene.output(key)).toString());
  t.match(printed, /attempt 6 killed from 9\nfinal state 10\n/);
  t.match(printed, /attempt 1 none from 0/, 'the output of earlier attempts is there');
  t.equal(await scene.runner.stop(), 0);
});

const everyHalfSecond = (seconds: number) => `
import pathlib, time
for i in range(${seconds * 2}):
    pathlib.Path('../tb/events').write_text(str(i))
    print('tick', i, time.time(), flush=True)
    time.sleep(0.5)
`;

t.test(
  'checkpoints follow saveFrequency, in order, and a store that hangs delays no experiment',
  { timeout: 120_000 },
  async t => {
    const there = await behindFaults(t, { DEBUG: 'true' });
    if (!there) return;
    const { proxy, scene } = there;
    const key = await submit(scene, everyHalfSecond(15), { tb: 1 });
    const tb = `experiments/${key}/tb.tar`;
    const checkpoints = () => scene.runner.events.filter(({ event }) => event === 'checkpointed');
    await scene.event(one => one.event === 'checkpointed');
    const first = Number((await filesIn(scene, tb))['events']);
    t.same(checkpoints()[0]?.['artifacts'], ['tb'], 'only what is due');
    await eventually(
      async () => {
        assert.ok(Number((await filesIn(scene, tb))['events']) > first);
      },
      { timeoutMs: 20_000 },
    );
    let hanging = 0;
    proxy.decide = ({ method, url }) =>
      method === 'PUT' && url?.includes('/tb.tar') && hanging++ < 1 ? 'silence' : 'pass';
    const ended = await scene.event(({ event }) => event === 'ended');
    t.equal(ended['exitCode'], 0);
    t.ok(hanging > 0, 'while a checkpoint hung');
    t.notOk(
      checkpoints().some(({ time }) => String(time) > String(ended['time'])),
      'it waited for none',
    );
    proxy.cut();
    t.match(await scene.settled(key, 100_000), { settlement: 'accept', cause: 'completed' });
    t.same(await filesIn(scene, tb), { events: '29' });
    t.equal(await scene.runner.stop(), 0);
  },
);

t.test('SIGTERM stores a last checkpoint, and the next attempt goes on from there', { timeout: 120_000 }, async t => {
  const scene = new PipelineScene(t, { MAX_ATTEMPTS: '3' });
  const key = await submit(
    scene,
    `
import pathlib, time
state = pathlib.Path('../modeldir/state')
if state.exists():
    print('went on from', state.read_text(), flush=True)
else:
    state.write_text('half')
    print('begun', flush=True)
    time.sleep(600)
`,
  );
  await scene.event(({ event }) => event === 'started');
  await eventually(() => assert.ok(scene.attemptHas('modeldir/state')), { timeoutMs: 20_000 });
  t.equal(await scene.runner.stop(), 0);
  t.same(await filesIn(scene, `experiments/${key}/modeldir.tar`), { state: 'half' });
  t.equal(scene.waiting().length, 1, 'the message is back');
  const next = scene.restarted(t);
  const [settled] = await next.next(({ event }) => event === 'settled', 1, 60_000);
  t.match(settled, { settlement: 'accept', cause: 'completed' });
  t.match((await scene.output(key)).toString(), /went on from half/);
  t.equal(await next.stop(), 0);
});
