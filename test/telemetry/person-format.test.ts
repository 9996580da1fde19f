import { stripVTControlCharacters } from 'node:util';
import t from 'tap';
import type { RunnerEvent } from '../../lib/telemetry/events.ts';
import { humanBytes, humanDuration, personFormat } from '../../lib/telemetry/person-format.ts';

const format = personFormat(false);
const event: RunnerEvent = { atMs: 0, level: 'info', event: 'admitted', fields: {} };

t.test('a line says time, queue, experiment, what happened, and the fields in words', async t => {
  const line = format({
    ...event,
    queue: 'rmq_cpu',
    experiment: 'e1',
    project: 'p',
    attempt: 'a',
    fields: { granted: { cores: 1, memoryBytes: 2e9 }, waitedMs: 1200 },
  });
  t.match(line, /^\d\d:\d\d:\d\d {3}rmq_cpu {8}e1 {13}admitted {9}granted cores 1, memory 2 GB · waited 1\.2 s$/);
});

t.test('long names lose their middle, so that columns stay aligned', async t => {
  const line = format({
    ...event,
    queue: 'rmq_a_very_long_queue_name',
    experiment: '0123456789abcdef0123',
    fields: {},
  });
  t.match(line, / rmq_a_…ue_name 012345…def0123 admitted$/);
});

t.test('fields that explain themselves come without their name', async t => {
  const line = format({ ...event, event: 'settled', fields: { settlement: 'accept', cause: 'succeeded', delayMs: 0 } });
  t.match(line, /settled {10}accept · succeeded$/);
});

t.test('what says nothing, or what is said already, is left out', async t => {
  const granted = { cores: 1, gpus: [] };
  t.match(format({ ...event, fields: { granted } }), /granted cores 1$/);
  const ended = (exitCode: number) => ({ message: 'exited with code 3', exitCode });
  t.match(format({ ...event, fields: ended(3) }), /exited with code 3$/);
  t.match(format({ ...event, fields: ended(4) }), /exited with code 3 · exit code 4$/);
});

t.test('on a terminal a line goes on under its fields, or under the queue where that is too narrow', async t => {
  const fields = { why: 'one two three four five six seven', error: 'eight nine ten' };
  const at = (columns: number) =>
    personFormat(
      false,
      () => columns,
    )({ ...event, queue: 'rmq_cpu', experiment: 'e1', fields })
      .split('\n')
      .slice(1);
  t.strictSame(at(100), [`${' '.repeat(58)}· eight nine ten`]);
  t.strictSame(at(80), [`${' '.repeat(11)}one two three four five six seven · eight nine ten`]);
  t.strictSame(at(200), []);
});

t.test('text of an experiment does not steer the terminal', async t => {
  const line = personFormat(true)({
    ...event,
    experiment: '\u001b[2J',
    fields: { error: 'a\u001b]0;x\u0007\nb\u202e' },
  });
  t.notMatch(stripVTControlCharacters(line), /[\u0000-\u001f\u202e]/);
  t.notMatch(line, '\u001b[2J');
});

t.test('levels that need a look are marked, in colour where there is one', async t => {
  t.match(format({ ...event, level: 'warn' }), / ! /);
  t.match(format({ ...event, level: 'error' }), / ✗ /);
  t.match(personFormat(true)({ ...event, level: 'warn' }), '\u001b[33m');
});

t.test('durations and sizes are told for people', async t => {
  t.same([0, 999.4, 1000, 59_940, 60_000, 200_000, 3_600_000, 18_120_000].map(humanDuration), [
    '0 ms',
    '999 ms',
    '1 s',
    '59.9 s',
    '1 m',
    '3 m 20 s',
    '1 h',
    '5 h 2 m',
  ]);
  t.same([0, 999, 1000, 1550, 12_345, 2e9, 3.2e15].map(humanBytes), [
    '0 B',
    '999 B',
    '1 kB',
    '1.6 kB',
    '12 kB',
    '2 GB',
    '3.2 PB',
  ]);
});
