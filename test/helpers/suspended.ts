import type { Test } from 'tap';
import { settledBy, settlementsOf, type OutageScene } from './outage-scene.ts';
import { printedIn } from './printed.ts';

/**
 * A runner is stopped past its lease, another takes its work over, and the first one goes on: nothing of it is written over what the
 * other one stores.
 * @param wakes `late`: the first one goes on when all is stored; `together`: both programs end in the moment in which it goes on, and
 * both runners are about to store what they made
 */
export const standsBack = async (t: Test, scene: OutageScene, wakes: 'late' | 'together'): Promise<void> => {
  const stopped = await scene.runner();
  const key = await scene.submit();
  const [first] = await scene.running();
  const other = await scene.runner();
  stopped.signal('SIGSTOP');
  const [, second] = await scene.running(2, 90_000);
  t.not(first, second);
  // By the time that the stopped one goes on both programs have ended, or do so just then, and only the other may have told.
  if (wakes === 'together') stopped.signal('SIGCONT');
  scene.letEnd();
  t.match(await settledBy(other, key), { settlement: 'accept', cause: 'completed' });
  stopped.signal('SIGCONT');
  t.match(
    await settledBy(stopped, key, 120_000),
    { settlement: 'none', cause: 'lease-lost' },
    'it says why it stood back',
  );
  t.equal(printedIn(await scene.output(key)), `ran as ${String(second)}\n`, 'the results of the newer attempt stand');
  t.equal(settlementsOf(other, key).length, 1);
  t.match(await scene.fence(key), { attempt: 2, state: 'done' });
  t.strictSame(scene.runs(), [first, second], 'and nobody started it once more');
};
