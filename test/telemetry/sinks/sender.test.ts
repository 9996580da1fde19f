import assert from 'node:assert';
import t from 'tap';
import { createSender, RefusedBatch, type SenderOptions } from '../../../lib/telemetry/sinks/sender.ts';
import { eventually } from '../../helpers/eventually.ts';

const scene = (more: Partial<SenderOptions> = {}) => {
  const batches: string[][] = [];
  const told: string[] = [];
  let fail: (() => Error | undefined) | undefined;
  const sender = createSender(
    {
      send: lines => {
        const error = fail?.();
        if (error) return Promise.reject(error);
        batches.push([...lines]);
        return Promise.resolve();
      },
    },
    {
      maxBytes: 1000,
      batchBytes: 10,
      retryMs: 1,
      onError: error => told.push(error.message),
      onOk: () => told.push('ok'),
      onLost: (lines, error) => told.push(`${String(lines)} lost: ${error.message}`),
      ...more,
    },
  );
  return { sender, batches, told, failWith: (make: typeof fail) => void (fail = make) };
};

t.test('lines go in their order, in batches of bounded size', async t => {
  const { sender, batches } = scene();
  for (const line of ['aaaa\n', 'bbbb\n', 'cccc\n', 'a line longer than a batch\n']) t.ok(sender.write(line));
  t.equal(await sender.close(1000), 0);
  t.same(batches, [['aaaa\n', 'bbbb\n'], ['cccc\n'], ['a line longer than a batch\n']]);
});

t.test('a batch that was not taken is tried again before what came later', async t => {
  const { sender, batches, told, failWith } = scene();
  let failures = 3;
  failWith(() => (failures-- > 0 ? new Error('down') : undefined));
  sender.write('one\n');
  sender.write('two\n');
  await eventually(() => assert.deepEqual(batches.flat(), ['one\n', 'two\n']));
  t.same(told.slice(0, 3), ['down', 'down', 'down']);
  t.equal(told.at(-1), 'ok');
  await sender.close(0);
});

t.test('a batch that is refused for good is counted, and the next one goes on', async t => {
  const { sender, batches, told, failWith } = scene();
  let first = true;
  failWith(() => {
    const refuse = first;
    first = false;
    return refuse ? new RefusedBatch('not for me') : undefined;
  });
  sender.write('12345678\n');
  sender.write('next\n');
  await sender.close(1000);
  t.same(batches, [['next\n']]);
  t.equal(told[0], '1 lost: not for me');
});

t.test('what waits is bounded, and what is left at the end is counted', async t => {
  const { sender, failWith } = scene({ maxBytes: 20 });
  failWith(() => new Error('down'));
  t.ok(sender.write('0123456789'));
  t.ok(sender.write('0123456789'));
  t.notOk(sender.write('x'), 'there is no room');
  t.equal(await sender.close(30), 2);
  t.notOk(sender.write('x'), 'closed');
});

t.test('a carrier that never comes back holds up nothing but its own lines', async t => {
  const sender = createSender(
    { send: () => new Promise(() => undefined) },
    { maxBytes: 100, batchBytes: 10, onError: () => undefined },
  );
  for (let i = 0; i < 1000; i++) sender.write('0123456789');
  const startedMs = performance.now();
  t.equal(await sender.close(50), 10);
  t.ok(performance.now() - startedMs < 5000);
});
