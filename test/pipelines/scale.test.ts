import t from 'tap';
import type { QueueBroker, WorkQueue } from '../../lib/queues/queue.ts';
import { scaleOf } from '../../pipelines/scale.ts';

const signal = new AbortController().signal;
const broker = (over: Partial<QueueBroker>): QueueBroker => ({
  kind: 'sqs',
  discover: () => {
    throw new Error('not asked');
  },
  open: name => {
    throw new Error(`not asked for ${name}`);
  },
  close: () => Promise.resolve(),
  ...over,
});
const queues = (...names: string[]) => names.map(name => ({ kind: 'sqs' as const, name }));

t.test('what a broker counts is told by queue and in all, this runner is a part of all', async t => {
  const counting = broker({
    count: () => Promise.resolve({ waiting: new Map([['a', 3]]), leased: 7, leasedBy: new Map([['a', 5]]) }),
  });
  t.strictSame(
    await scaleOf(
      [{ broker: counting, looked: true, queues: queues('a', 'b') }],
      queue => (queue === 'sqs:a' ? 2 : 0),
      signal,
    ),
    {
      waiting: 3,
      leased: 7,
      running: 2,
      total: 10,
      queues: [
        { kind: 'sqs', name: 'a', waiting: 3, leased: 5, running: 2, total: 8 },
        { kind: 'sqs', name: 'b', waiting: null, leased: 0, running: 0, total: 0 },
      ],
    },
  );
});

t.test('a broker that does not count is asked queue by queue, and what runs here is leased', async t => {
  let open = 0;
  const asked = broker({
    open: name => {
      open += 1;
      const queue: Pick<WorkQueue, 'depth' | 'close'> = {
        depth: () => Promise.resolve(name.length),
        close: () => {
          open -= 1;
          return Promise.resolve();
        },
      };
      return queue as WorkQueue;
    },
  });
  t.match(await scaleOf([{ broker: asked, looked: true, queues: queues('aa') }], () => 1, signal), {
    waiting: 2,
    leased: 1,
    running: 1,
    total: 3,
  });
  t.equal(open, 0, 'what was opened is closed');
});

t.test('a broker that does not answer is an error, not a zero', async t => {
  const lost = broker({ count: () => Promise.reject(new Error('refused')) });
  await t.rejects(
    scaleOf([{ broker: lost, looked: true, queues: [] }], () => 0, signal),
    /refused/,
  );
});
