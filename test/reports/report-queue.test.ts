import t from 'tap';
import { ReportQueue, type Payload } from '../../lib/reports/report-queue.ts';

const drain = (queue: ReportQueue): Payload[] => {
  const payloads: Payload[] = [];
  for (let one = queue.take(); one; one = queue.take()) payloads.push(one.payload);
  return payloads;
};

t.test('reports come out in the order they went in, whatever they are', async t => {
  const queue = new ReportQueue();
  queue.pushState({ type: 'state', state: 'Started' }, 1);
  queue.pushLine('Info', 'a', 2);
  queue.pushProgress('{"x":1}', 3);
  queue.pushLine('Error', 'b', 4);
  queue.pushState({ type: 'state', state: 'Success' }, 5);
  t.equal(queue.size, 5);
  t.strictSame(drain(queue), [
    { type: 'state', state: 'Started' },
    { type: 'log', severity: 'Info', message: 'a' },
    { type: 'progress', json: '{"x":1}' },
    { type: 'log', severity: 'Error', message: 'b' },
    { type: 'state', state: 'Success' },
  ]);
  t.equal(queue.size, 0);
});

t.test(
  'lines go first: progress and states are kept, and how many lines are missing is said where they were',
  async t => {
    const queue = new ReportQueue();
    for (let at = 0; at < 1500; at++) queue.pushLine('Info', `line ${String(at)}`, at);
    queue.pushProgress('{"x":1}', 1);
    queue.pushState({ type: 'state', state: 'Success' }, 2);
    const payloads = drain(queue);
    t.equal(payloads.length, 1003);
    t.match(payloads[999], { message: 'line 999' });
    t.strictSame(payloads.slice(1000), [
      { type: 'progress', json: '{"x":1}' },
      { type: 'log', severity: 'Warning', message: '500 lines were left out' },
      { type: 'state', state: 'Success' },
    ]);
  },
);

t.test('of progress the newest is kept', async t => {
  const queue = new ReportQueue();
  for (let at = 0; at < 3000; at++) queue.pushProgress(`{"step":${String(at)}}`, at);
  const payloads = drain(queue);
  t.equal(payloads.length, 1000);
  t.strictSame(payloads.at(-1), { type: 'progress', json: '{"step":2999}' });
});

t.test('memory is bounded in characters too, and lines that are too long are cut', async t => {
  const queue = new ReportQueue();
  const long = 'x'.repeat(1e6);
  for (let at = 0; at < 100; at++) queue.pushLine('Info', long, at);
  for (let at = 0; at < 100; at++) queue.pushProgress(`{"x":"${'y'.repeat(60_000)}"}`, at);
  const payloads = drain(queue);
  const characters = payloads.reduce((sum, one) => sum + JSON.stringify(one).length, 0);
  t.ok(characters < 1.2e6, `${String(characters)} characters`);
  t.match(payloads[0], { message: /^x{16384}…$/ });
});
