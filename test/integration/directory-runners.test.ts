/** Real runners on one directory of queues: one dies in mid-run, and a client's lock is in the way. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { PipelineScene, sceneQueue } from '../helpers/pipeline-scene.ts';
import { RunnerProcess } from '../helpers/runner-process.ts';

t.test('what a killed runner had in work is started by the other one, counted', { timeout: 110_000 }, async t => {
  const scene = new PipelineScene(t, { LEASE: '10s', MAX_ATTEMPTS: '3' });
  const marks = join(t.testdirName, 'marks');
  const program = `import os, time
mark = ${JSON.stringify(marks)}
first = not os.path.exists(mark)
open(mark, 'a').write(os.environ.get('STUDIOML_ATTEMPT', '1') + ' ')
time.sleep(600 if first else 0)
print('attempt', os.environ.get('STUDIOML_ATTEMPT', '1'))
`;
  const key = await scene.submit({ program });
  const { pid } = await scene.event(event => event.event === 'started' && event.experiment === key);
  await eventually(() => assert.ok(existsSync(marks)));
  const second = new RunnerProcess({
    QUEUE_ROOT: join(t.testdirName, 'queues'),
    QUEUE_MATCH: `^${sceneQueue}$`,
    WORKING_DIR: join(t.testdirName, 'work'),
    CLEAR_TEXT_MESSAGES: 'true',
    LEASE: '10s',
    EVENTS: '-',
  });
  t.teardown(() => second.stop());
  await eventually(() => assert.ok(second.events.some(({ event }) => event === 'queue-found')), { timeoutMs: 30_000 });
  const settled = second.next(event => event.event === 'settled' && event.experiment === key, 1, 60_000);
  const killedAtMs = performance.now();
  scene.runner.signal('SIGKILL');
  await scene.runner.exited();
  process.kill(-Number(pid), 'SIGKILL');
  t.match((await settled)[0], { settlement: 'accept', cause: 'completed' });
  t.comment(`settled ${String(Math.round((performance.now() - killedAtMs) / 1000))} s after the kill`);
  t.match((await scene.output(key)).toString(), /attempt 2/, 'the attempt that died is counted');
  t.strictSame(scene.waiting(), []);
  t.notOk(existsSync(join(t.testdirName, 'queues', '.dead', sceneQueue)));
});

t.test('of two messages of one experiment one is run and stored, and the other holds nobody up', async t => {
  const scene = new PipelineScene(t, { MAX_CORES: '2', MAX_ATTEMPTS: '3' });
  const [runs, end] = [join(t.testdirName, 'runs'), join(t.testdirName, 'end')];
  const program = `import os, time
open(${JSON.stringify(runs)}, 'a').write('x')
while not os.path.exists(${JSON.stringify(end)}): time.sleep(0.05)
print('it ran')
`;
  const { key, body } = await scene.request({ program });
  scene.send(body);
  scene.send(body);
  const settled = () => scene.runner.events.filter(one => one.event === 'settled' && one.experiment === key);
  await eventually(() => assert.ok(settled().length > 0), { timeoutMs: 30_000 });
  t.match(settled()[0], { settlement: 'release', cause: 'duplicate' });
  const other = await scene.submit({});
  t.match(await scene.settled(other), { settlement: 'accept', cause: 'completed' });
  writeFileSync(end, '');
  const accepted = () => settled().filter(one => one['settlement'] === 'accept');
  await eventually(() => assert.equal(accepted().length, 2), { timeoutMs: 30_000 });
  t.match(accepted(), [{ cause: 'completed' }, { cause: 'already-done' }]);
  t.equal(readFileSync(runs, 'utf8'), 'x');
  t.match((await scene.output(key)).toString(), /it ran/);
  t.strictSame(scene.waiting(), []);
});

t.test(
  "nothing is taken while a client's lock stands, and a stale one is told and passed over",
  { timeout: 60_000 },
  async t => {
    const scene = new PipelineScene(t);
    const directory = join(t.testdirName, 'queues', sceneQueue);
    await scene.runGood();
    const lock = join(directory, 'lock.lock');
    writeFileSync(lock, '');
    const { key, body } = await scene.request({});
    // As the client does: written in place, under its lock.
    writeFileSync(join(directory, 'half-written'), body.slice(0, 100));
    await new Promise(resolve => setTimeout(resolve, 2500));
    t.ok(existsSync(join(directory, 'half-written')), 'it is left alone over more than one slow look');
    writeFileSync(join(directory, 'half-written'), body);
    rmSync(lock);
    t.match(await scene.settled(key), { settlement: 'accept' });

    writeFileSync(join(t.testdirName, 'stale'), '');
    const old = new Date(Date.now() - 60_000);
    utimesSync(join(t.testdirName, 'stale'), old, old);
    renameSync(join(t.testdirName, 'stale'), lock);
    const next = await scene.submit({});
    t.match(await scene.settled(next), { settlement: 'accept' });
    t.match(await scene.event(event => event.event === 'lock-stale'), { queue: sceneQueue });
    t.ok(existsSync(lock), "a client's lock is not removed");
  },
);
