import assert from 'node:assert/strict';
import t from 'tap';
import { createAttemptReports, type AttemptReportsSettings } from '../../lib/reports/attempt-reports.ts';
import type { End } from '../../lib/model/outcome.ts';
import { eventually } from '../helpers/eventually.ts';

const completed: End = { cause: 'completed', message: 'exited with code 0' };

const open = (over: Partial<AttemptReportsSettings> = {}) => {
  const sent: string[] = [];
  const failures: string[] = [];
  const lost: number[] = [];
  const reports = createAttemptReports({
    queueName: 'rmq_q',
    takenAtMs: 1,
    seal: async ({ payload }) => JSON.stringify(payload),
    publish: async body => {
      sent.push(body);
      return true;
    },
    pace: () => Promise.resolve(),
    deadlineMs: 200,
    now: Date.now,
    onFailure: error => failures.push(error),
    onLost: count => lost.push(count),
    ...over,
  });
  return { reports, sent, failures, lost, read: () => sent.map(body => JSON.parse(body) as unknown) };
};

t.test('everything is told in its order, from the taking of the message to the end', async t => {
  const { reports, read, lost } = open();
  reports.begun();
  reports.started(2);
  reports.stdoutLine('words', 3);
  reports.stderrLine('more words', 4);
  reports.stdoutLine('{"loss": 0.5}', 5);
  const exit = { code: 3, signal: null, startedAtMs: 0, endedAtMs: 1 };
  await reports.finish({ cause: 'exited', message: 'exited with code 3', exit });
  await reports.finish(completed);
  t.strictSame(read(), [
    { type: 'log', severity: 'Debug', message: 'scanning queue', fields: { queue_name: 'rmq_q' } },
    { type: 'state', state: 'Started' },
    { type: 'log', severity: 'Info', message: 'start' },
    { type: 'log', severity: 'Info', message: 'words' },
    { type: 'log', severity: 'Error', message: 'more words' },
    { type: 'progress', json: '{"loss": 0.5}' },
    { type: 'log', severity: 'Info', message: 'stop', fields: { success: 'False', error: 'exited with code 3' } },
    { type: 'state', state: 'Failed', error: { msg: 'exited: exited with code 3', code: 3 } },
  ]);
  t.same(lost, []);
});

t.test('an attempt that was turned away has no end that is told, one that nothing follows has', async t => {
  const turnedAway = open();
  await turnedAway.reports.finish({ cause: 'no-room', message: 'no room' });
  t.notMatch(JSON.stringify(turnedAway.sent), /Failed/);
  const expired = open();
  await expired.reports.finish({ cause: 'expired', message: 'too late' });
  t.match(JSON.stringify(expired.sent), /Failed/);
});

t.test('where nobody listens nothing is kept, and the queue is looked for again later', async t => {
  let listens = false;
  let atMs = 1000;
  const { reports, sent, read } = open({
    now: () => atMs,
    publish: async body => {
      if (listens) sent.push(body);
      return listens;
    },
  });
  reports.begun();
  await eventually(() => {
    reports.stdoutLine('unheard', atMs);
  });
  await new Promise(resolve => setImmediate(resolve));
  listens = true;
  reports.stdoutLine('unheard too', atMs);
  atMs += 20_000;
  reports.stdoutLine('heard', atMs);
  await reports.finish(completed);
  t.strictSame(read(), [
    { type: 'log', severity: 'Info', message: 'heard' },
    { type: 'log', severity: 'Info', message: 'stop', fields: { success: 'True' } },
    { type: 'state', state: 'Success' },
  ]);
});

t.test('a listener that fails is told of once, and what waited is sent when it is back', async t => {
  let fails = true;
  const { reports, sent, failures, read } = open({
    deadlineMs: 20_000,
    publish: async body => {
      if (fails) throw new Error('no way');
      sent.push(body);
      return true;
    },
  });
  reports.begun();
  await eventually(() => {
    assert.equal(failures.length, 1);
  });
  fails = false;
  await reports.finish(completed);
  t.equal(read().length, 4);
  t.same(failures, ['no way']);
});

t.test('a stuck listener costs the end of an attempt its deadline and no more, and what was lost is told', async t => {
  const { reports, sent, lost } = open({
    publish: (_body, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      }),
  });
  reports.begun();
  for (let at = 0; at < 100_000; at++) reports.stdoutLine('words', at);
  await reports.finish(completed);
  t.same(sent, []);
  t.equal(lost.length, 1);
  t.ok((lost[0] ?? 0) >= 1000);
});
