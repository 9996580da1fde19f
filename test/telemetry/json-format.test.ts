import t from 'tap';
import { events, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { jsonFormat } from '../../lib/telemetry/json-format.ts';

const format = jsonFormat('host-1');
const event: RunnerEvent = { atMs: 0, level: 'info', event: 'admitted', fields: {} };

t.test('a line begins with time, level, event and runner, then says whom it is about', async t => {
  t.equal(
    format({ ...event, queue: 'q', experiment: 'e', project: 'p', attempt: 'a', fields: { waitedMs: 3 } }),
    '{"time":"1970-01-01T00:00:00.000Z","level":"info","event":"admitted","runner":"host-1","queue":"q","experiment":"e","project":"p","attempt":"a","waitedMs":3}',
  );
});

t.test('what is null or undefined is left out, what is false or 0 is not', async t => {
  const line = format({ ...event, queue: undefined, fields: { a: null, b: undefined, c: 0, d: false, e: '' } });
  t.same(JSON.parse(line), {
    time: '1970-01-01T00:00:00.000Z',
    level: 'info',
    event: 'admitted',
    runner: 'host-1',
    c: 0,
    d: false,
    e: '',
  });
});

t.test('an event is one line whatever is in it', async t => {
  t.notMatch(format({ ...event, fields: { error: 'a\nb\u2028' } }), /\n/);
});

t.test('no event has a field that is named like a member of every line', async t => {
  const taken = ['time', 'level', 'event', 'runner', 'queue', 'experiment', 'project', 'attempt'];
  for (const [name, { fields }] of Object.entries(events))
    t.same(
      Object.keys(fields).filter(field => taken.includes(field)),
      [],
      name,
    );
});
