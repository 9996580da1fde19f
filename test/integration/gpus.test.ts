/** The whole runner beside a stand-in for nvidia-smi, whose answers are written after real ones: the tests' machines have no card. */
import assert from 'node:assert';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { eventually } from '../helpers/eventually.ts';
import { standInNvidiaSmi } from '../helpers/nvidia-smi.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';
import { printedIn } from '../helpers/printed.ts';
import { runCommand } from '../helpers/run-command.ts';

const machine = (t: Test) => {
  const directory = mkdtempSync(join(tmpdir(), 'runner-gpus-'));
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return { ...standInNvidiaSmi(directory), path: `${directory}:${process.env['PATH'] ?? ''}` };
};
const program = 'import os; print(os.environ["CUDA_VISIBLE_DEVICES"], os.environ["NVIDIA_VISIBLE_DEVICES"])';
const asks = (gpus: number, more: object = {}) => ({ cpus: 1, ram: '64mb', hdd: '64mb', gpus, ...more });

t.test('an experiment sees the cards that it was granted, and no others', { timeout: 120_000 }, async t => {
  const smi = machine(t);
  smi.say('mixed');
  const it = new PipelineScene(t, { PATH: smi.path, CUDA_VISIBLE_DEVICES: '1,2,3,4', UNPLACED_AFTER: '0s' });
  const printed = async (resources: Readonly<Record<string, unknown>>) => {
    const key = await it.submit({ program, resources });
    const { cause } = await it.settled(key);
    t.equal(cause, 'completed');
    const { studioml } = await it.metadata(key);
    return { line: printedIn((await it.output(key)).toString()).trim(), studioml };
  };
  const [t4, v100, a100, odd] = ['f2', 'f3', 'f4', 'f5'].map(end => `GPU-00000000-0000-0000-0000-0000000000${end}`);
  const one = await printed(asks(4));
  t.equal(one.line, `${t4} ${t4}`);
  t.match(one.studioml, { granted: { gpus: [t4] }, used: { gpu_memory_bytes: Number } });
  t.equal((await printed(asks(2, { gpuMem: '25g' }))).line, `${v100} ${v100}`);
  t.equal((await printed(asks(9, { gpuCount: '3' }))).line, `${odd},${v100},${a100} ${odd},${v100},${a100}`);
  t.equal((await printed(asks(0))).line, '-1 -1');
  const never = await it.submit({ program, resources: asks(200) });
  t.match(await it.settled(never), { cause: 'no-room-ever', message: /gpus: asked 200/ });
  t.match(await it.event(({ event }) => event === 'gpu-unknown'), { name: 'NVIDIA Nobody Knows', slots: 10 });

  smi.fail("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.");
  const failed = await it.submit({ program, resources: asks(1) });
  t.match(await it.settled(failed), { settlement: 'release', cause: 'gpu-fault', message: /couldn't communicate/ });
  t.equal(it.waiting().length, 1, 'who asks for a card waits in the queue until one can be had');
});

t.test(
  'what an experiment uses of its card is told while it runs, and its peak after',
  { timeout: 120_000 },
  async t => {
    const smi = machine(t);
    smi.say('t4');
    const it = new PipelineScene(t, { PATH: smi.path });
    const go = join(dirname(smi.answer), 'go');
    const waits = 'import os, time\nwhile not os.path.exists(os.environ["GO"]): time.sleep(0.05)\n';
    const key = await it.submit({ program: waits, env: { GO: go }, resources: asks(1) });
    const { granted } = (await it.event(({ event }) => event === 'admitted')) as { granted?: { gpus?: string[] } };
    const [uuid = ''] = granted?.gpus ?? [];
    smi.use({ [uuid]: 5000, 'GPU-of-another': 9000 });
    const url = `http://${String((await it.event(({ event }) => event === 'http-listening'))['address'])}/metrics`;
    const used = new RegExp(
      `^runner_gpu_memory_used_bytes\\{gpu="${uuid}",name="[^"]*"\\} ${String(5000 * 2 ** 20)}$`,
      'm',
    );
    await eventually(async () => assert.match(await (await fetch(url)).text(), used), { timeoutMs: 60_000 });
    t.match(await (await fetch(url)).text(), /^runner_gpus_granted 1$/m);
    writeFileSync(go, '');
    t.match(await it.settled(key), { cause: 'completed' });
    t.match((await it.metadata(key)).studioml, { used: { gpu_memory_bytes: 5000 * 2 ** 20 } });
    t.match(await (await fetch(url)).text(), /^runner_gpus_granted 0$/m);
  },
);

t.test(
  'experiments that fail on a card with errors are not counted, and the card is out',
  { timeout: 120_000 },
  async t => {
    const smi = machine(t);
    smi.say('t4');
    const it = new PipelineScene(t, { PATH: smi.path });
    const breaks = `import os, shutil
shutil.copy(os.environ["FIXTURE"], os.environ["ANSWER"])
raise SystemExit("CUDA error: uncorrectable ECC error encountered")`;
    const env = { FIXTURE: smi.fixture('t4-ecc'), ANSWER: smi.answer };
    const key = await it.submit({ program: breaks, env, resources: asks(1) });
    t.match(await it.settled(key), { settlement: 'release', cause: 'gpu-fault' });
    t.match(await it.event(({ event }) => event === 'gpu-unfit'), { why: /memory errors/ });
  },
);

t.test('a driver that fails refuses the start, unless there is to be no GPU', { timeout: 120_000 }, async t => {
  const smi = machine(t);
  smi.fail("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.");
  const env = { PATH: smi.path, QUEUE_ROOT: t.testdirName, WORKING_DIR: t.testdirName, HOME: t.testdirName };
  const refused = await runCommand([], env);
  t.equal(refused.code, 2);
  t.match(refused.stderr, /couldn't communicate with the NVIDIA driver.*CPU_ONLY/);
  const it = new PipelineScene(t, { PATH: smi.path, CPU_ONLY: 'true' });
  t.match(await it.runGood(), { cause: 'completed' });
  t.match(await it.event(({ event }) => event === 'gpus-unavailable'), { why: /couldn't communicate/ });
});

t.test('runner check tells of the cards', { timeout: 120_000 }, async t => {
  const smi = machine(t);
  const env = { PATH: smi.path, QUEUE_ROOT: t.testdir(), WORKING_DIR: t.testdirName, HOME: t.testdirName };
  const checked = async () => {
    const { stdout } = await runCommand(['check', '--json'], env);
    const lines = stdout.split('\n').filter(line => line.includes('"GPUs"'));
    return JSON.parse(lines[0] ?? '{}') as unknown;
  };
  smi.say('a100-mig', true);
  t.match(await checked(), { status: 'ok', found: /A100-SXM4-80GB MIG-.*GPU-/ });
  smi.say('ecc');
  t.match(await checked(), { status: 'warning', found: /memory errors/ });
  smi.fail('Unable to determine the device handle');
  t.match(await checked(), { status: 'failure', found: /Unable to determine/ });
});
