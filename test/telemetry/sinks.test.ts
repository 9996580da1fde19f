import assert from 'node:assert';
import { spawn, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, constants, readSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createEventBus } from '../../lib/telemetry/events.ts';
import { createRedactor } from '../../lib/telemetry/redact.ts';
import { openSinks, type SinkSettings } from '../../lib/telemetry/sinks.ts';
import { eventually } from '../helpers/eventually.ts';

const settings = (target: number | string, more: Partial<SinkSettings> = {}): SinkSettings => ({
  targets: [{ name: 'sink', target }],
  runner: 'host-1',
  least: 'info',
  ...more,
});
const linesOf = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Record<string, unknown>);

/** A named pipe whose reader is open and reads nothing by itself. */
const pipeOf = (t: Test) => {
  const path = join(t.testdir({}), 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  t.teardown(() => closeSync(reader));
  const buffer = Buffer.alloc(1 << 20);
  const read = (): string => {
    try {
      return buffer.toString('utf8', 0, readSync(reader, buffer));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return '';
      throw error;
    }
  };
  return { path, read };
};

t.test('each event becomes a line of JSON in the file, appended to what is there', async t => {
  const path = join(t.testdir({ 'events.ndjson': '{"old":true}\n' }), 'events.ndjson');
  const bus = createEventBus(() => 1000);
  const sinks = await openSinks(bus, settings(path));
  bus.emit('queue-found', {}, { queue: 'rmq_a' });
  bus.emit('expired', { lateMs: 5 }, { queue: 'rmq_a', experiment: 'e' });
  await sinks.close();
  t.match(linesOf(readFileSync(path, 'utf8')), [
    { old: true },
    { time: '1970-01-01T00:00:01.000Z', level: 'info', event: 'queue-found', runner: 'host-1', queue: 'rmq_a' },
    { event: 'expired', experiment: 'e', lateMs: 5 },
  ]);
});

t.test('events of level debug are written only when they are asked for', async t => {
  for (const debug of [false, true]) {
    const path = join(t.testdir({}), 'events');
    const bus = createEventBus();
    const sinks = await openSinks(bus, settings(path, { least: debug ? 'debug' : 'info' }));
    bus.emit('message-taken', { id: '1', bytes: 2 });
    await sinks.close();
    t.equal(linesOf(readFileSync(path, 'utf8')).length, debug ? 1 : 0);
  }
});

t.test('secrets are taken out of whole lines', async t => {
  const path = join(t.testdir({}), 'events');
  const bus = createEventBus();
  const sinks = await openSinks(bus, settings(path, { redact: text => text.replaceAll('hunter22', '***') }));
  bus.emit('queue-ignored', { why: 'password hunter22' }, { queue: 'hunter22' });
  await sinks.close();
  t.match(linesOf(readFileSync(path, 'utf8')), [{ queue: '***', why: 'password ***' }]);
});

t.test('a secret that is a word of the lines themselves does them no harm', async t => {
  const path = join(t.testdir({}), 'events');
  const bus = createEventBus();
  const redactor = createRedactor();
  for (const secret of ['"runner":', 'experiment', 'queue-ignored', '1500000000']) redactor.add(secret);
  const sinks = await openSinks(bus, settings(path, { redact: redactor.redact }));
  bus.emit('queue-ignored', { why: 'an experiment' }, { queue: 'rmq_a', experiment: 'my experiment' });
  bus.emit('expired', { lateMs: 1500000000 });
  await sinks.close();
  t.match(linesOf(readFileSync(path, 'utf8')), [
    { event: 'queue-ignored', runner: 'host-1', experiment: 'my [redacted]', why: 'an [redacted]' },
    { event: 'expired', lateMs: 1500000000 },
  ]);
});

t.test('a reader that never reads holds nobody up and costs no more than the bound', async t => {
  const { path } = pipeOf(t);
  const bus = createEventBus();
  const lost: number[] = [];
  bus.events$.subscribe(({ event, fields }) => event === 'sink-lost' && lost.push(Number(fields['dropped'])));
  const sinks = await openSinks(bus, settings(path, { maxBytes: 100_000 }));
  const why = 'x'.repeat(1000);
  const startedMs = performance.now();
  for (let i = 0; i < 20_000; i++) bus.emit('queue-ignored', { why });
  t.ok(performance.now() - startedMs < 5000, 'emitting goes on');
  t.same(lost, [1], 'the loss is told once');
  const closingMs = performance.now();
  await sinks.close(200);
  // A machine under load is slow; without a limit it would never come back.
  t.ok(performance.now() - closingMs < 10_000, 'closing has a time limit');
});

t.test('what a slow reader missed is counted and told when there is room again', async t => {
  const { path, read } = pipeOf(t);
  const bus = createEventBus();
  const sinks = await openSinks(bus, settings(path, { maxBytes: 50_000 }));
  const sent = 2000;
  for (let i = 0; i < sent; i++) bus.emit('queue-ignored', { why: `${String(i)} ${'x'.repeat(100)}` });
  let text = '';
  for (let quiet = 0; quiet < 20; quiet++) {
    const more = read();
    text += more;
    if (more !== '') quiet = 0;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  bus.emit('queue-found', {});
  await sinks.close();
  text += read();
  const lines = linesOf(text);
  const came = lines.filter(({ event }) => event === 'queue-ignored').length;
  t.ok(came > 0 && came < sent);
  t.match(lines.at(-1), { event: 'sink-back', sink: 'sink', dropped: sent - came });
  t.match(lines.at(-2), { event: 'queue-found' });
});

t.test('one sink that is stuck takes nothing from another, which is told', async t => {
  const { path: stuck } = pipeOf(t);
  const path = `${stuck}-file`;
  const bus = createEventBus();
  const targets = [
    { name: 'stuck', target: stuck },
    { name: 'file', target: path },
  ];
  const sinks = await openSinks(bus, { ...settings(path), targets, maxBytes: 1 << 18 });
  const sent = 1000;
  const written = () => linesOf(readFileSync(path, 'utf8')).filter(({ event }) => event === 'queue-ignored').length;
  for (let i = 1; i <= sent; i++) {
    bus.emit('queue-ignored', { why: 'x'.repeat(1000) });
    // Less than its own bound lies before the file at any time, however slow the machine: what it lacks, the other took from it.
    if (i % 50 === 0) await eventually(() => assert.equal(written(), i));
  }
  await sinks.close(300);
  const lines = linesOf(readFileSync(path, 'utf8'));
  t.ok(lines.some(({ event, sink }) => event === 'sink-lost' && sink === 'stuck'));
  t.equal(written(), sent, 'the file has everything');
});

t.test('a file that can not be opened is an error, and what was opened is closed', async t => {
  const dir = t.testdir({});
  const targets = [
    { name: 'good', target: join(dir, 'good') },
    { name: 'bad', target: join(dir, 'no/such/file') },
  ];
  const bus = createEventBus();
  await t.rejects(openSinks(bus, { ...settings(''), targets }), { code: 'ENOENT' });
});

t.test('writing that fails is told once and does no harm', async t => {
  const bus = createEventBus();
  const errors: unknown[] = [];
  bus.events$.subscribe(({ event, fields }) => event === 'sink-lost' && errors.push(fields['error']));
  const sinks = await openSinks(bus, settings('/dev/full'));
  bus.emit('queue-found', {});
  bus.emit('queue-found', {});
  await eventually(() => assert.equal(errors.length, 1));
  await sinks.close(500);
  t.match(errors, [/ENOSPC/]);
});

t.test('stdout that is a pipe is written without blocking, also when nobody reads it', async t => {
  const program = `
    import { createEventBus } from ${JSON.stringify(new URL('../../lib/telemetry/events.ts', import.meta.url).href)};
    import { openSinks } from ${JSON.stringify(new URL('../../lib/telemetry/sinks.ts', import.meta.url).href)};
    const bus = createEventBus();
    const sinks = await openSinks(bus, { targets: [{ name: '-', target: 1 }], runner: 'h', least: 'info' });
    for (let i = 0; i < 5000; i++) bus.emit('queue-ignored', { why: 'x'.repeat(1000) });
    await new Promise(resolve => setTimeout(resolve, 50));
    console.error('alive');
    await sinks.close(100);
    process.exit(0);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  // Paused: nothing is read from its stdout.
  child.stdout.pause();
  const said = once(child.stderr, 'data');
  const [code] = (await once(child, 'exit')) as [number];
  t.equal(code, 0);
  t.match(String((await said)[0]), 'alive');
});
