import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createDirectoryBroker } from '../../lib/queues/directory/broker.ts';

const never = new AbortController().signal;
const count = 5000;

t.test('of five thousand messages each costs about as little as of fifty', { timeout: 110_000 }, async t => {
  const root = t.testdir({ local_few: {}, local_many: {} });
  mkdirSync(join(root, '.drafts'));
  const fill = (queue: string, messages: number) => {
    for (let i = 0; i < messages; i++) {
      const draft = join(root, '.drafts', String(i));
      writeFileSync(draft, '{}');
      renameSync(draft, join(root, queue, `m${String(i).padStart(5, '0')}`));
    }
  };
  fill('local_few', 50);
  fill('local_many', count);
  const broker = createDirectoryBroker({ root, runnerId: 'r', leaseMs: 60_000, emit: () => undefined });
  t.teardown(() => broker.close());
  /** CPU of this process for one taken and accepted message, ms: the machine may be busy with others. */
  const costMs = async (queue: string, messages: number): Promise<number> => {
    const opened = broker.open(queue);
    const before = process.cpuUsage();
    for (let i = 0; i < messages; i++) {
      const delivery = await opened.receive(never);
      if (!delivery) throw new Error(`no message [number=${String(i)}]`);
      await delivery.settle({ type: 'accept' });
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000 / messages;
  };
  await costMs('local_few', 50);
  fill('local_few', 50);
  const few = await costMs('local_few', 50);
  const many = await costMs('local_many', 400);
  t.comment(`${few.toFixed(2)} ms of CPU a message of 50, ${many.toFixed(2)} ms of ${String(count)}`);
  t.ok(many < 5 * few + 2, `${many.toFixed(2)} ms a message`);
});
