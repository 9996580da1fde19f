import assert from 'node:assert';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { createEventBus } from '../../lib/telemetry/events.ts';
import { tellSlack, type AboutAttempt } from '../../lib/telemetry/slack.ts';
import { eventually } from '../helpers/eventually.ts';

interface Posted {
  readonly text: string;
  readonly channel?: string;
}

/** A hook that answers with these, then 200. */
const hookOf = async (t: Test, answers: (number | 'never')[] = []) => {
  const posted: Posted[] = [];
  const atMs: number[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', chunk => (body += String(chunk)));
    request.on('end', () => {
      const answer = answers.shift() ?? 200;
      if (answer === 'never') return;
      if (answer === 200) {
        posted.push(JSON.parse(body) as Posted);
        atMs.push(performance.now());
      }
      response.writeHead(answer, answer === 429 ? { 'retry-after': '1' } : {}).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { posted, atMs, url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/hook` };
};

const open = (hook: string, about: AboutAttempt = {}, room?: string) => {
  const bus = createEventBus();
  const failures: unknown[] = [];
  bus.events$.subscribe(({ event, fields }) => event === 'slack-failed' && failures.push(fields));
  const slack = tellSlack({
    hook,
    room,
    events$: bus.events$,
    emit: bus.emit,
    aboutAttempt: () => about,
    host: 'h',
    everyMs: 50,
  });
  const who = { queue: 'rmq_a', experiment: 'e<1>', project: 'p', attempt: 'a' };
  const settle = (settlement: string, cause: string) =>
    bus.emit('settled', { settlement, cause, message: 'exit code 3', delayMs: 0, durationMs: 5000, timings: {} }, who);
  return { bus, slack, failures, settle, start: () => bus.emit('started', {}, who) };
};

t.test('a start and an end are told, with the cause and where the results are', async t => {
  const { posted, atMs, url } = await hookOf(t);
  const { slack, start, settle } = open(url, { destination: '@ann', results: 's3://h/b/output.tar' }, '#room');
  start();
  settle('retry', 'exited');
  settle('accept', 'completed');
  settle('release', 'no-room');
  await slack.close();
  t.same(posted, [
    { text: '*e&lt;1&gt;* (p) has started on h, from rmq_a', channel: '@ann' },
    {
      text: '*e&lt;1&gt;* (p) has ended: exited: exit code 3; it is tried again (5 s on h); its output is at s3://h/b/output.tar',
      channel: '@ann',
    },
    { text: '*e&lt;1&gt;* (p) has completed (5 s on h); its output is at s3://h/b/output.tar', channel: '@ann' },
  ]);
  t.ok((atMs[1] ?? 0) - (atMs[0] ?? 0) >= 40, 'not faster than Slack allows');
});

t.test('without a destination of its own it goes to the room', async t => {
  const { posted, url } = await hookOf(t);
  const { slack, start } = open(url, {}, '#room');
  start();
  await slack.close();
  t.match(posted, [{ channel: '#room' }]);
});

t.test('where Slack says later it is later, and where it refuses that is told', async t => {
  const { posted, url } = await hookOf(t, [429, 200, 404]);
  const { slack, start, settle, failures } = open(url);
  const startedMs = performance.now();
  start();
  await eventually(() => assert.equal(posted.length, 1));
  t.ok(performance.now() - startedMs > 900, 'as long as it asks for');
  settle('accept', 'completed');
  await slack.close();
  t.match(failures, [{ error: /refuses a message with 404/, dropped: 1 }]);
});

t.test('a hook that never answers holds nothing up; what waits is bounded and counted', async t => {
  const { url } = await hookOf(
    t,
    Array.from({ length: 500 }, () => 'never' as const),
  );
  const { slack, start } = open(url);
  const startedMs = performance.now();
  for (let i = 0; i < 10_000; i++) start();
  await slack.close(100);
  t.ok(performance.now() - startedMs < 5000);
});

t.test('a hook that is not there is told without its URL', async t => {
  const { slack, start, failures } = open('http://127.0.0.1:1/secret-hook');
  start();
  await eventually(() => assert.equal(failures.length, 1), { timeoutMs: 20_000 });
  t.notMatch(JSON.stringify(failures), /secret-hook/);
  await slack.close();
});
