import t from 'tap';
import { encodeReport } from '../../lib/reports/encode.ts';
import type { Payload } from '../../lib/reports/report-queue.ts';
import { createRedactor } from '../../lib/telemetry/redact.ts';

const origin = { experimentId: 'key', uniqueId: 'attempt', executorId: 'host' };
const read = (payload: Payload): unknown =>
  JSON.parse(encodeReport(origin, { payload, atMs: Date.UTC(2024, 0, 2, 3, 4, 5, 600) }));
const time = '2024-01-02T03:04:05.600Z';
const common = { time, experimentId: 'key', uniqueId: 'attempt', executorId: 'host' };

t.test('names are in lowerCamelCase, enums by name, wrappers bare, times RFC 3339', async t => {
  const payload = { type: 'log', severity: 'Debug', message: 'scanning queue', fields: { queue_name: 'q' } } as const;
  t.strictSame(read(payload), {
    ...common,
    logging: { time, severity: 'Debug', message: 'scanning queue', fields: { queue_name: 'q' } },
  });
});

t.test('members that are absent are left out', async t => {
  t.strictSame(read({ type: 'log', severity: 'Error', message: 'm' }), {
    ...common,
    logging: { time, severity: 'Error', message: 'm' },
  });
  t.strictSame(read({ type: 'state', state: 'Success' }), { ...common, progress: { time, state: 'Success' } });
  t.strictSame(read({ type: 'state', state: 'Failed', error: { msg: 'why' } }), {
    ...common,
    progress: { time, state: 'Failed', error: { msg: 'why' } },
  });
});

t.test('a failure carries its words and its exit code, progress the line of JSON', async t => {
  t.match(read({ type: 'state', state: 'Failed', error: { msg: 'exited: why', code: 3 } }), {
    progress: { state: 'Failed', error: { msg: 'exited: why', code: 3 } },
  });
  t.match(read({ type: 'progress', json: '{"a":1}' }), { progress: { json: '{"a":1}', state: 'Started' } });
});

t.test("secrets go from what others wrote, and a report's own names stay, whatever a secret is", async t => {
  const { add, redact } = createRedactor();
  for (const secret of ['progress', 'uniqueId', 'queue_name', 'severity":"Debug', 'hunter2"hunter2']) add(secret);
  const clean = (payload: Payload): unknown =>
    JSON.parse(encodeReport({ ...origin, experimentId: 'in progress' }, { payload, atMs: 0 }, redact));
  const rest = { experimentId: 'in [redacted]', uniqueId: 'attempt', executorId: 'host' };
  t.match(
    clean({ type: 'log', severity: 'Debug', message: 'a progress', fields: { queue_name: 'x hunter2"hunter2' } }),
    {
      ...rest,
      logging: { severity: 'Debug', message: 'a [redacted]', fields: { queue_name: 'x [redacted]' } },
    },
  );
  const json = JSON.stringify({ progress: 'hunter2"hunter2', a: 1 });
  t.match(clean({ type: 'progress', json }), { ...rest, progress: { json: '{"[redacted]":"[redacted]","a":1}' } });
  t.match(clean({ type: 'state', state: 'Failed', error: { msg: 'no progress', code: 3 } }), {
    ...rest,
    progress: { state: 'Failed', error: { msg: 'no [redacted]', code: 3 } },
  });
});
