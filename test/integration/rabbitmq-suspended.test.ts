import t from 'tap';
import { openOutageScene, settledBy, settlementsOf } from '../helpers/outage-scene.ts';
import { printedIn } from '../helpers/printed.ts';

t.test(
  'a runner that is stopped past its lease finds its work with another, and stores nothing over it',
  { timeout: 110_000 },
  async t => {
    const scene = await openOutageScene(t);
    if (!scene) return;
    const stopped = await scene.runner();
    const key = await scene.submit();
    const [first] = await scene.running();
    const other = await scene.runner();
    stopped.signal('SIGSTOP');
    const [, second] = await scene.running(2, 60_000);
    t.not(first, second);
    scene.letEnd();
    t.match(await settledBy(other, key), { settlement: 'accept', cause: 'completed' });
    // By now both programs have ended, and only one runner has told.
    stopped.signal('SIGCONT');
    t.match(await settledBy(stopped, key), { settlement: 'none', cause: 'lease-lost' }, 'it says why it stood back');
    t.equal(printedIn(await scene.output(key)), `ran as ${String(second)}\n`, 'the results of the newer attempt stand');
    t.equal(settlementsOf(other, key).length, 1);
    t.match(await scene.fence(key), { attempt: 2, state: 'done' });
    t.strictSame(scene.runs(), [first, second], 'and nobody started it once more');
  },
);
