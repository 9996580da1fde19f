import assert from 'node:assert';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createEventBus } from '../../lib/telemetry/events.ts';
import { openSinks } from '../../lib/telemetry/sinks.ts';
import type { RemotePlace } from '../../lib/telemetry/sinks/remote-place.ts';
import { eventually } from '../helpers/eventually.ts';
import { freePort } from '../helpers/free-port.ts';
import { needService } from '../helpers/services.ts';

/** A collector that can be stopped and started again at the same port. */
const collector = (t: Test, command: readonly [string, ...string[]], port: number) => {
  let child: ChildProcess | undefined;
  let said = '';
  const stop = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  t.teardown(stop);
  return {
    /** What it wrote on stdout and stderr, of all its lives. */
    said: () => said,
    stop,
    start: async () => {
      const [file, ...args] = command;
      child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => (said += String(chunk)));
      await eventually(
        async () => {
          assert.equal(child?.exitCode, null, said);
          const probe = connect({ host: '127.0.0.1', port });
          await once(probe, 'connect').finally(() => probe.destroy());
        },
        { timeoutMs: 60_000 },
      );
    },
  };
};

interface Collected {
  readonly place: RemotePlace;
  readonly daemon: ReturnType<typeof collector>;
  /** The numbers that the collector has, as they came. */
  readonly numbers: () => readonly number[];
}

const numbersIn = (text: string, pattern: RegExp): number[] => [...text.matchAll(pattern)].map(([, n]) => Number(n));

/**
 * Ship numbered events to a collector, in the middle of which it is stopped, and started again when the sink had to drop some.
 * What came must be in order (a TCP sink may repeat), and what did not come must be what the sink says that it cost.
 */
const shipOverRestart = async (t: Test, { place, daemon, numbers }: Collected, least: number): Promise<void> => {
  const bus = createEventBus();
  const told: { event: string; dropped: number }[] = [];
  bus.events$.subscribe(({ event, fields }) => {
    if (event.startsWith('sink-')) told.push({ event, dropped: Number(fields['dropped']) });
  });
  await daemon.start();
  const target = { name: 'collector', target: place };
  const sinks = await openSinks(bus, { targets: [target], runner: 'h', least: 'info', maxBytes: 20_000 });
  let next = 0;
  const ship = (count: number) => {
    for (let i = 0; i < count; i++) bus.emit('queue-ignored', { why: `number ${String(next++)} of them` });
  };
  ship(20);
  await eventually(() => assert.equal(numbers().at(-1), 19), { timeoutMs: 30_000 });
  await daemon.stop();
  await eventually(() => {
    ship(1);
    assert.ok(told.some(({ event }) => event === 'sink-lost'));
  });
  ship(500);
  await daemon.start();
  await eventually(
    () => {
      if (told.at(-1)?.event === 'sink-back') return;
      ship(1);
      assert.fail('it is not back yet');
    },
    { timeoutMs: 60_000, everyMs: 100 },
  );
  const last = next;
  ship(20);
  await eventually(() => assert.equal(numbers().at(-1), last + 19), { timeoutMs: 60_000 });
  t.same(await sinks.close(), new Map());

  const came = numbers();
  const first = [...new Set(came)];
  t.same(
    first,
    first.toSorted((a, b) => a - b),
    'in order',
  );
  const dropped = told.filter(({ event }) => event === 'sink-back').reduce((sum, one) => sum + one.dropped, 0);
  t.ok(dropped > 0, 'something had to be dropped');
  t.equal(next - first.length, dropped, 'what is missing is what was said to be dropped');
  t.ok(first.length >= least);
};

const otelConfig = (receivers: string): string =>
  `receivers: {${receivers}}
exporters: {debug: {verbosity: detailed}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {logs: {receivers: [${receivers.split(':')[0] ?? ''}], exporters: [debug]}}
`;

t.test('the OpenTelemetry collector, over TCP', async t => {
  const program = needService(t, 'TEST_OTELCOL');
  if (program === undefined) return;
  const port = await freePort();
  const directory = t.testdir({ 'c.yaml': otelConfig(`tcplog: {listen_address: "127.0.0.1:${String(port)}"}`) });
  const daemon = collector(t, [program, '--config', join(directory, 'c.yaml')], port);
  const place = { type: 'tcp', host: '127.0.0.1', port } as const;
  await shipOverRestart(t, { place, daemon, numbers: () => numbersIn(daemon.said(), /why":"number (\d+) of/g) }, 40);
});

t.test('rsyslog, over syslog on TCP', async t => {
  const program = needService(t, 'TEST_RSYSLOG');
  if (program === undefined) return;
  const port = await freePort();
  const directory = t.testdir({ work: {} });
  const file = join(directory, 'collected');
  const config = t.testdir({
    work: {},
    'rsyslog.conf': `global(workDirectory="${directory}/work")
module(load="imtcp" MaxSessions="50")
input(type="imtcp" port="${String(port)}" address="127.0.0.1")
template(name="line" type="string" string="%app-name% %syslogseverity-text% %msgid% %msg%\\n")
action(type="omfile" file="${file}" template="line")
`,
  });
  const args = ['-n', '-f', join(config, 'rsyslog.conf'), '-i', join(directory, 'pid')];
  const daemon = collector(t, [program, ...args], port);
  const place = { type: 'syslog', protocol: 'tcp', host: '127.0.0.1', port } as const;
  const text = () => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return '';
    }
  };
  await shipOverRestart(t, { place, daemon, numbers: () => numbersIn(text(), /why":"number (\d+) of/g) }, 40);
  t.match(text(), /^studioml-runner warning queue-ignored .*"event":"queue-ignored"/m);
});

t.test('a pino transport package ships to the OpenTelemetry collector', async t => {
  const program = needService(t, 'TEST_OTELCOL');
  if (program === undefined) return;
  const port = await freePort();
  const receiver = `otlp: {protocols: {http: {endpoint: "127.0.0.1:${String(port)}"}}}`;
  const directory = t.testdir({ 'c.yaml': otelConfig(receiver) });
  const daemon = collector(t, [program, '--config', join(directory, 'c.yaml')], port);
  await daemon.start();
  const bus = createEventBus();
  const options = {
    loggerName: 'runner',
    serviceVersion: '1',
    logRecordProcessorOptions: {
      recordProcessorType: 'batch',
      processorConfig: { scheduledDelayMillis: 100 },
      exporterOptions: {
        protocol: 'http',
        httpExporterOptions: { url: `http://127.0.0.1:${String(port)}/v1/logs` },
      },
    },
  };
  const target = { type: 'package', name: 'pino-opentelemetry-transport', options } as const;
  const sinks = await openSinks(bus, { targets: [{ name: 'otel', target }], runner: 'h', least: 'info' });
  for (let i = 0; i < 10; i++) bus.emit('queue-ignored', { why: `number ${String(i)} of them` });
  const numbers = () => numbersIn(daemon.said(), /why: Str\(number (\d+) of/g);
  await eventually(
    () =>
      assert.deepEqual(
        numbers(),
        Array.from({ length: 10 }, (_, i) => i),
      ),
    { timeoutMs: 60_000 },
  );
  t.match(daemon.said(), /SeverityText: warn|SeverityNumber: Warn/i);
  await sinks.close();
});
