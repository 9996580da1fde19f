/**
 * The whole runner beside a real NVIDIA card and its driver; run by `npm run test:card` on a machine that has one. The programs
 * speak to the driver by themselves, so that nothing has to be installed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { createReadCards } from '../../lib/resources/gpu/nvidia-smi.ts';
import { findExecutable } from '../../lib/resources/find-executable.ts';
import { slotsOf } from '../../lib/resources/gpu/slots.ts';
import { PipelineScene } from '../helpers/pipeline-scene.ts';
import { printedIn } from '../helpers/printed.ts';
import { runCommand } from '../helpers/run-command.ts';
import type { EventLine } from '../helpers/runner-process.ts';

const cards = await createReadCards(await findExecutable('nvidia-smi'))();
const [card] = cards;
if (!card) throw new Error('this machine has no NVIDIA card that nvidia-smi tells of');
const { slots, isKnown } = slotsOf(card, new Map());
const asks = (gpus: number, more: object = {}) => ({ cpus: 1, ram: '2gb', hdd: '64mb', gpus, ...more });

/** Source: CUDA Driver API reference: cuInit, cuDeviceGetUuid_v2, cuCtxCreate_v2, cuMemAlloc_v2. */
const driver = `
import ctypes, os, sys, time, uuid
for name in ("libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1", "/usr/lib64/libcuda.so.1"):
    try:
        cuda = ctypes.CDLL(name)
        break
    except OSError:
        pass
def devices():
    if cuda.cuInit(0) != 0:
        return []
    count = ctypes.c_int()
    cuda.cuDeviceGetCount(ctypes.byref(count))
    found = []
    for i in range(count.value):
        device, raw = ctypes.c_int(), (ctypes.c_ubyte * 16)()
        cuda.cuDeviceGet(ctypes.byref(device), i)
        cuda.cuDeviceGetUuid_v2(raw, device)
        found.append("GPU-" + str(uuid.UUID(bytes=bytes(raw))))
    return found
def take(gib):
    cuda.cuInit(0)
    device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    cuda.cuDeviceGet(ctypes.byref(device), 0)
    assert cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device) == 0
    assert cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(gib << 30)) == 0
`;

const scene = (t: Test) => new PipelineScene(t, { UNPLACED_AFTER: '0s' });
const printedBy = async (t: Test, it: PipelineScene, resources: Readonly<Record<string, unknown>>) => {
  const key = await it.submit({ program: `${driver}print(",".join(devices()) or "none")`, resources });
  t.match(await it.settled(key), { cause: 'completed' });
  return printedIn((await it.output(key)).toString()).trim();
};

t.test('nvidia-smi tells of a model that the table knows, and `runner check` lists it', async t => {
  t.ok(isKnown, card.name);
  t.ok(card.memoryBytes > 2 ** 30);
  const at = t.testdir();
  const env = { PATH: process.env['PATH'] ?? '', QUEUE_ROOT: at, WORKING_DIR: at, HOME: at };
  const { stdout } = await runCommand(['check', '--json'], env);
  const line = stdout.split('\n').find(one => one.includes('"GPUs"'));
  t.match(JSON.parse(line ?? '{}'), { status: 'ok', found: `${card.name} ${card.uuid}` });
});

t.test('the driver shows an experiment the cards of its grant and no others', { timeout: 120_000 }, async t => {
  const it = scene(t);
  t.equal(await printedBy(t, it, asks(slots)), card.uuid);
  t.equal(await printedBy(t, it, asks(0)), 'none');
  const never = await it.submit({ resources: asks(slots + 1, { gpuCount: '1' }) });
  t.match(await it.settled(never), { cause: 'no-room-ever', message: new RegExp(`gpus: asked ${String(slots + 1)}`) });
});

t.test('what it takes of the memory is measured, and free again for the next one', { timeout: 180_000 }, async t => {
  const it = scene(t);
  const gib = 8;
  for (const _ of [1, 2]) {
    const key = await it.submit({ program: `${driver}take(${String(gib)})\ntime.sleep(4)`, resources: asks(slots) });
    t.match(await it.settled(key, 90_000), { cause: 'completed' });
    const { studioml } = await it.metadata(key);
    const { gpu_memory_bytes: used } = studioml['used'] as { gpu_memory_bytes: number };
    t.match(studioml['granted'], { gpus: [card.uuid] });
    t.ok(used >= gib * 2 ** 30 && used < (gib + 2) * 2 ** 30, String(used));
  }
});

t.test('two that ask for the card run one after the other', { timeout: 180_000 }, async t => {
  const it = scene(t);
  const program = 'import time\nprint(time.time())\ntime.sleep(2)\nprint(time.time())';
  const keys = await Promise.all([1, 2].map(() => it.submit({ program, resources: asks(slots) })));
  const spans = [];
  for (const key of keys) {
    t.match(await it.settled(key, 90_000), { cause: 'completed' });
    spans.push(
      printedIn((await it.output(key)).toString())
        .trim()
        .split('\n')
        .map(Number),
    );
  }
  const [first, second] = spans.toSorted(([a = 0], [b = 0]) => a - b);
  t.ok((first?.[1] ?? Infinity) <= (second?.[0] ?? 0));
});

t.test('a card that somebody else fills is not granted before it is free', { timeout: 180_000 }, async t => {
  const gib = Math.ceil((card.memoryBytes / 2 ** 30) * 0.2);
  const stranger = spawn(
    'python3',
    ['-c', `${driver}take(${String(gib)})\nprint("taken", flush=True)\nsys.stdin.read()`],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  t.teardown(() => stranger.kill('SIGKILL'));
  await once(stranger.stdout, 'data');
  const it = scene(t);
  const key = await it.submit({ program: "print('it ran')", resources: asks(slots) });
  t.match(await it.event(({ event }) => event === 'gpu-unfit'), { gpu: card.uuid, why: /somebody else/ });
  const runs = () => it.runner.events.some(({ event, experiment }) => event === 'started' && experiment === key);
  await new Promise(resolve => setTimeout(resolve, 3000));
  t.notOk(runs());
  stranger.stdin.end();
  await once(stranger, 'exit');
  const isDone = (one: EventLine) =>
    one.event === 'settled' && one.experiment === key && one['settlement'] === 'accept';
  t.match(await it.event(isDone, 90_000), { cause: 'completed' });
});
