import assert from 'node:assert';
import { join } from 'node:path';
import t from 'tap';
import { createFollowMemory } from '../../../lib/resources/gpu/follow-memory.ts';
import { eventually } from '../../helpers/eventually.ts';
import { deafToSigkill, standInNvidiaSmi } from '../../helpers/nvidia-smi.ts';

t.test('memory in use is told until it is ended, and again when it is asked for anew', async t => {
  const standIn = standInNvidiaSmi(join(t.testdir(), 'bin'));
  standIn.use({ 'GPU-a': 5 });
  const follow = createFollowMemory(standIn.executable);
  for (const time of ['first', 'second']) {
    const told = new Map<string, number>();
    const end = follow((uuid, usedBytes) => told.set(uuid, usedBytes));
    await eventually(() => {
      assert.equal(told.get('GPU-a'), 5 * 2 ** 20, time);
    });
    end();
  }
});

t.test('while one hangs that not even SIGKILL ends, no other is started', async t => {
  const standIn = standInNvidiaSmi(join(t.testdir(), 'bin'));
  standIn.use({ 'GPU-a': 5 });
  standIn.hang();
  const kill = deafToSigkill(t);
  const follow = createFollowMemory(standIn.executable);
  const endFirst = follow(() => undefined);
  await eventually(() => {
    assert.equal(standIn.hanging().length, 1);
  });
  endFirst();
  const told = new Set<string>();
  follow(() => undefined)();
  const endLast = follow(uuid => told.add(uuid));
  standIn.recover();
  const [stuck = 0, ...others] = standIn.hanging();
  t.strictSame([others, [...told]], [[], []]);
  kill(stuck);
  await eventually(() => {
    assert.ok(told.has('GPU-a'));
  });
  endLast();
});
