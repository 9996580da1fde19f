/** Programs that do not behave, through the whole runner. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';

const mib = 1024 * 1024;
/** Resident memory that a runner may reach while somebody prints as fast as they can. */
const boundBytes = 300 * mib;

const goesOn = async (t: Test, scene: PipelineScene) => {
  t.match(await scene.runGood(), { cause: 'completed', output: /it ran/ }, 'the next message runs to its end');
  await eventually(() => {
    assert.deepEqual(scene.leftovers(), [], 'neither directory nor process is left');
  });
  t.equal(await scene.runner.stop(), 0);
};

/** Run it, its memory looked at. */
const watched = async (t: Test, scene: PipelineScene, program: string, maxDuration = '5m') => {
  const resources = { cpus: 1, gpus: 0, ram: '256mb', hdd: '2gb' };
  const key = await scene.submit({ program, resources, maxDuration });
  const settled = scene.settled(key, 180_000);
  const peakBytes = await scene.peakBytes(settled);
  t.ok(peakBytes < boundBytes, `memory stays bounded (${String(Math.round(peakBytes / mib))} MiB)`);
  return { key, settled: await settled };
};

t.test('200 MB without a newline are kept whole, in bounded memory', { timeout: 240_000 }, async t => {
  const scene = new PipelineScene(t);
  const program = "import sys\nfor _ in range(200):\n    sys.stdout.write('x' * 1_000_000)\n";
  const { key, settled } = await watched(t, scene, program);
  t.match(settled, { settlement: 'accept', cause: 'completed' });
  const output = await scene.output(key);
  t.equal(output.indexOf('\n'), 200_000_000, 'what the runner says comes after it');
  const { studioml } = await scene.metadata(key);
  const longest = Math.max(...studioml.log.map(({ msg }) => msg.length));
  t.ok(longest > 0 && longest <= mib + 1, `the document has the beginning of the line (${String(longest)} characters)`);
  t.equal(studioml.status, 'completed');
  await goesOn(t, scene);
});

t.test('bytes that are no UTF-8 are kept as they are, and the document stays JSON', async t => {
  const scene = new PipelineScene(t);
  const program = [
    'import sys',
    'sys.stdout.buffer.write(b\'before \\xff\\xfe\\xc3\\n{"experiment": {"name": "\\xff", "loss": 1}}\\n\\xe2\\x82\')',
  ].join('\n');
  const { key, settled } = await watched(t, scene, program);
  t.match(settled, { settlement: 'accept', cause: 'completed' });
  const printed = Buffer.from('before \xff\xfe\xc3\n{"experiment": {"name": "\xff", "loss": 1}}\n\xe2\x82', 'latin1');
  t.ok((await scene.output(key)).subarray(0, printed.length).equals(printed), 'output/output has the bytes');
  const document = await scene.metadata(key);
  t.match(document, { experiment: { loss: 1, name: '\uFFFD' } });
  t.ok(document.studioml.log.some(({ msg }) => msg.startsWith('before \uFFFD')));
  await goesOn(t, scene);
});

t.test('many JSON patches, half of them invalid: the valid ones count', { timeout: 240_000 }, async t => {
  const patches = process.env['CI'] === 'true' ? 200_000 : 1_000_000;
  const scene = new PipelineScene(t);
  const program = [
    'import sys',
    'write = sys.stdout.write',
    'write(\'{"experiment": {"count": 0}}\\n\')',
    `for i in range(1, ${String(patches / 2 + 1)}):`,
    '    write(\'[{"op": "replace", "path": "/experiment/count", "value": %d}]\\n\' % i)',
    '    write(\'[{"op": "replace", "path": "/experiment/nowhere/%d", "value": 1}]\\n\' % i)',
  ].join('\n');
  const { key, settled } = await watched(t, scene, program);
  t.match(settled, { settlement: 'accept', cause: 'completed' });
  t.strictSame((await scene.metadata(key))['experiment'], { count: patches / 2 });
  const skipped = scene.runner.events.filter(event => event.event === 'directive-skipped');
  t.equal(
    skipped.reduce((sum, event) => sum + Number(event['count']), 0),
    patches / 2,
    'each invalid one is counted',
  );
  t.ok(skipped.length < 200, `told at most once a second (${String(skipped.length)} times)`);
  await goesOn(t, scene);
});

/** Children that are hard to find: in sessions of their own, orphaned, with an empty environment; all of them deaf to SIGTERM. */
const deafFamily = `
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir('/')
        os.write(writing, str(os.getpid()).encode())
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        time.sleep(600)
    os._exit(0)
daemon = os.read(reading, 32).decode()
own = subprocess.Popen(['/bin/sleep', '600'], start_new_session=True)
nameless = subprocess.Popen(['/bin/sleep', '600'], start_new_session=True, env={}, cwd='/')
print('family', os.getpid(), daemon, own.pid, nameless.pid, flush=True)
time.sleep(600)
`;

/** Whether it runs. Who is dead may still wait for the first process to take note of it. */
const isAlive = (pid: string): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
};

t.test('an experiment over its time that ignores SIGTERM is ended with all it started', async t => {
  const scene = new PipelineScene(t);
  const { key, settled } = await watched(t, scene, deafFamily, '10s');
  t.match(settled, { settlement: 'accept', cause: 'max-duration', message: /max.duration/ });
  const pids = /family ([\d ]+)/.exec((await scene.output(key)).toString())?.[1]?.split(' ') ?? [];
  t.equal(pids.length, 4);
  t.strictSame(pids.filter(isAlive), [], 'no process is left when it is settled');
  t.match(await scene.metadata(key), { studioml: { status: 'failed', exit_code: 137 } });
  t.strictSame(scene.deadLetters(), []);
  await goesOn(t, scene);
});
