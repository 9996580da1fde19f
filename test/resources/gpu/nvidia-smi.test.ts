import assert from 'node:assert';
import { join } from 'node:path';
import t from 'tap';
import { createReadCards } from '../../../lib/resources/gpu/nvidia-smi.ts';
import { eventually } from '../../helpers/eventually.ts';
import { deafToSigkill, standInNvidiaSmi } from '../../helpers/nvidia-smi.ts';

t.test('without nvidia-smi there is no card', async t => {
  t.strictSame(await createReadCards(undefined)(), []);
});

t.test('cards are asked for, and their instances where there are some', async t => {
  const standIn = standInNvidiaSmi(join(t.testdir(), 'bin'));
  const read = createReadCards(standIn.executable);
  standIn.say('t4');
  t.equal((await read()).length, 1);
  standIn.say('a100-mig', true);
  t.equal((await read()).length, 5);
});

t.test('a driver that fails is told in its words', async t => {
  const standIn = standInNvidiaSmi(join(t.testdir(), 'bin'));
  standIn.fail("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.");
  await t.rejects(createReadCards(standIn.executable)(), {
    name: 'GpuError',
    message: /couldn't communicate with the NVIDIA/,
  });
});

t.test('one that hangs is not waited for', async t => {
  const standIn = standInNvidiaSmi(join(t.testdir(), 'bin'));
  standIn.hang();
  await t.rejects(createReadCards(standIn.executable, 300)(), { name: 'GpuError', message: /no answer within 0.3 s/ });
});

t.test('one that not even SIGKILL ends is not waited for, and no other is started beside it', async t => {
  const standIn = standInNvidiaSmi(join(t.testdir(), 'bin'));
  standIn.hang();
  const end = deafToSigkill(t);
  const read = createReadCards(standIn.executable, 1000);
  await t.rejects(read(), { name: 'GpuError', message: /no answer within 1 s/ });
  await t.rejects(read(), { name: 'GpuError', message: /it hangs, and can not be ended/ });
  const [stuck = 0, ...others] = standIn.hanging();
  t.strictSame(others, []);
  standIn.recover();
  standIn.say('t4');
  end(stuck);
  await eventually(async () => {
    assert.equal((await read()).length, 1);
  });
});
