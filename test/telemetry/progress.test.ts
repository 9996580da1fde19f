import t from 'tap';
import { createEventBus, type RunnerEvent } from '../../lib/telemetry/events.ts';
import { createProgress } from '../../lib/telemetry/progress.ts';
import { withProgressBar } from '../../lib/telemetry/progress-bar.ts';

const scene = (totalBytes: number | undefined) => {
  const events: RunnerEvent[] = [];
  const bus = createEventBus();
  bus.events$.subscribe(event => events.push(event));
  let atMs = 0;
  const progress = createProgress({ emit: bus.emit, operation: 'get', artifact: 'data', totalBytes, now: () => atMs });
  /** So many bytes, so much later. */
  const add = (bytes: number, ms: number) => {
    atMs += ms;
    progress.add(bytes);
  };
  return { events, progress, add };
};

t.test('a long transfer tells once a second what is done, of how much, how fast', async t => {
  const { events, progress, add } = scene(10_000);
  for (let i = 0; i < 50; i++) add(100, 50);
  t.equal(events.length, 2);
  t.match(events[1], {
    level: 'info',
    event: 'transferring',
    fields: { operation: 'get', artifact: 'data', doneBytes: 4000, totalBytes: 10_000, bytesPerSecond: 2000 },
  });
  add(5000, 100);
  progress.end();
  t.match(events[2], { fields: { doneBytes: 10_000 } });
});

t.test('a short one tells nothing, one that hangs nothing more', async t => {
  const { events, progress, add } = scene(undefined);
  for (let i = 0; i < 9; i++) add(100, 100);
  progress.end();
  t.equal(events.length, 0);
});

t.test('a terminal has a bar in its last line, and events above it', async t => {
  const show = withProgressBar(
    ({ event }) => event,
    () => 100,
  );
  const at = (atMs: number, fields?: RunnerEvent['fields']): RunnerEvent => ({
    atMs,
    level: 'info',
    event: fields ? 'transferring' : 'staged',
    fields: fields ?? {},
  });
  const clear = '\r\u001b[K';
  t.equal(show(at(0)), 'staged\n', 'nothing is taken back before there is a bar');
  const half = { operation: 'get', artifact: 'da\u001bta', doneBytes: 5e8, totalBytes: 1e9, bytesPerSecond: 1e8 };
  const bar = show(at(1000, half));
  t.match(bar, /^\r\u001b\[K↓ da�ta +█{12}░{12} {2}50 % {2}500 MB of 1 GB {2}100 MB\/s {2}5 s left$/);
  t.equal(show(at(2000)), `${clear}staged\n${bar.slice(clear.length)}`);
  t.equal(show(at(9000)), `${clear}staged\n`, 'one that hangs shows no longer');
  t.equal(show(at(9500, { ...half, doneBytes: 1e9 })), clear, 'nor one that is done');
  t.match(
    show(at(9600, { operation: 'put', artifact: 'x', doneBytes: 2e6, bytesPerSecond: 1e6 })),
    /↑ x +2 MB {2}1 MB\/s$/,
  );
  const narrow = withProgressBar(
    () => '',
    () => 20,
  );
  t.equal([...narrow(at(0, half)).slice(clear.length)].length, 19);
});
